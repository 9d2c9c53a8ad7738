"""Cells and rows of the compare table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.pages.places import Picture


@dataclass(frozen=True)
class Cell:
    """``same``: as the reference; ``strong``: differs; ``note``: by how much."""

    text: str
    title: str = ""
    note: str = ""
    same: bool = False
    strong: bool = False
    unset: bool = False
    tone: str = ""


@dataclass(frozen=True)
class Row:
    name: str
    cells: Sequence[Cell]
    aside: str = ""
    picture: Picture | None = None
    differs: bool = True
