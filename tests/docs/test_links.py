"""Links in the repository's pages lead to files and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.pages.help.markdown import anchor_of
from tests.docs.blocks import BLOCK, ROOT, pages

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ADDRESS = ("http://", "https://", "mailto:")


def anchors(path: Path) -> set[str]:
    taken: set[str] = set()
    for title in HEADING.findall(BLOCK.sub("", path.read_text())):
        anchor_of(re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", title), taken)
    return taken


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    for target in LINK.findall(text):
        if target.startswith(ADDRESS):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name) if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target
