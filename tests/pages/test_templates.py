"""All templates, as text."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = Path(__file__).parents[2] / "templates"
TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
# What is left of a tag that its line does not end; Django shows it as text.
BROKEN = re.compile(r"\{\{|\{%|\{#|%\}|#\}")


def test_no_tag_is_on_two_lines() -> None:
    split = [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in TEMPLATES.rglob("*.*")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BROKEN.search(TAG.sub("", line))
    ]
    assert split == []
