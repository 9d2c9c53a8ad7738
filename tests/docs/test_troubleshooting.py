"""The sentences of the page on troubleshooting are those that the site shows."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
FIRST_CELLS = [line.split(" | ")[0] for line in PAGE.splitlines() if line[:3] == "| `"]
SENTENCES = [each for cell in FIRST_CELLS for each in re.findall(r"`([^`]+)`", cell)]
# A string of Python continues on the next line.
CONTINUED = re.compile(r"[\"']\s*\n\s*[rf]*[\"']")
SHORTEST = 4


@cache
def source() -> str:
    folders = ("experiments", "sweepsite", "templates")
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    texts = (p.read_text() for p in paths if p.suffix in (".py", ".html"))
    return CONTINUED.sub("", "\n".join(texts))


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_one_that_the_site_shows(sentence: str) -> None:
    parts = [part.strip() for part in sentence.split("…")]
    missing = [p for p in parts if len(p) >= SHORTEST and p not in source()]
    assert missing == []


def test_there_are_sentences() -> None:
    assert len(SENTENCES) > 30
