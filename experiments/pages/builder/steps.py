"""What a button of the builder's form does to what was entered; nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace

from experiments.pages.builder.entries import MOST_ROWS, Entries
from experiments.pages.builder.space_kinds import NATURAL
from experiments.pages.builder.space_rows import Row


@dataclass(frozen=True)
class Stepped:
    """The entries after a step, and the id of the field to go on with."""

    entries: Entries
    focus: str = ""


def step(entries: Entries, do: str) -> Stepped:
    """Carry out `add`, `up:2`, `down:2`, `remove:2` or a repair; others do nothing."""
    verb, _, rest = do.partition(":")
    if verb == "add" and len(entries.rows) < MOST_ROWS:
        rows = [*entries.rows, Row()]
        return Stepped(entries.with_rows(rows), f"row-{len(rows) - 1}-name")
    if verb == "nofiles":
        return Stepped(entries.with_texts(code=""), "field-files")
    index = _index(rest, entries)
    if index is None:
        return Stepped(entries)
    if verb in ("up", "down"):
        return _moved(entries, index, -1 if verb == "up" else 1)
    if verb == "remove":
        rows = [row for place, row in enumerate(entries.rows) if place != index]
        return Stepped(entries.with_rows(rows), "field-space")
    if verb in ("natural", "above0", "plain"):
        return _repaired(entries, index, verb)
    return Stepped(entries)


def _index(text: str, entries: Entries) -> int | None:
    """The number of one of the rows; None for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        return None
    return int(text) if int(text) < len(entries.rows) else None


def _moved(entries: Entries, index: int, by: int) -> Stepped:
    rows, place = list(entries.rows), index + by
    if not 0 <= place < len(rows):
        return Stepped(entries)
    rows[index], rows[place] = rows[place], rows[index]
    return Stepped(entries.with_rows(rows), f"row-{place}-name")


def _repaired(entries: Entries, index: int, verb: str) -> Stepped:
    row = entries.rows[index]
    if verb == "natural":
        row = replace(row, unit=NATURAL)
    elif verb == "plain":
        row = replace(row, extra="")
    else:
        row = row.with_text("low", SMALLEST)
    focus = "name" if verb == "plain" else "low"
    return Stepped(entries.with_row(index, row), f"row-{index}-{focus}")


SMALLEST = "0.000001"
