"""The blocks of code in the documentation."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """``page``: its path in the repository; ``number``: from 1, of all on the page."""

    page: str
    number: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page} {self.number}"


def pages() -> list[Path]:
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]


def every_block() -> Iterator[Block]:
    for path in pages():
        found = BLOCK.findall(path.read_text())
        page = path.relative_to(ROOT).as_posix()
        for number, (_, language, code) in enumerate(found, 1):
            yield Block(page, number, language, textwrap.dedent(code))


def blocks(language: str) -> list[Block]:
    return [block for block in every_block() if block.language == language]
