"""What pages say of a filter: its conditions, its error, what may be typed next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.formatting import distinct_texts
from experiments.search.filters.columns import FilterTable, Numbers, numbers_of
from experiments.search.filters.completion import Offer, complete
from experiments.search.filters.conditions import FilterCondition
from experiments.search.filters.fields import Vocabulary
from experiments.search.filters.lexer import FilterError

# Bars of a picture of values, and offers that get one.
BINS, MAX_PICTURES = 12, 6
# From this ratio of the ends on, values that are all positive are on a log scale.
LOG_FROM = 100


def completion_json(
    text: str, at: int | None, vocabulary: Vocabulary, *tables: FilterTable
) -> dict[str, Any]:
    """The offers at a place as JavaScript counts it, with how the rows' values are
    spread."""
    place = len(text) if at is None else _place(text, at)
    found = complete(text, place, vocabulary)
    pictures = _Pictures(vocabulary, tables)
    items = [
        {
            "insert": offer.insert,
            "label": offer.label,
            "kind": offer.kind,
            "detail": offer.detail,
            **pictures.of(offer),
        }
        for offer in found.offers
    ]
    start, end = utf16(text, found.start), utf16(text, found.end)
    return {"from": start, "to": end, "items": items}


def _place(text: str, at: int) -> int:
    """A place as JavaScript counts it, in characters."""
    units = np.cumsum([1 + (ord(character) > 0xFFFF) for character in text])
    return int(np.searchsorted(units, at, side="right"))


class _Pictures:
    """What an offer says of the rows: how its numbers are spread, or how many rows
    have the value."""

    def __init__(self, vocabulary: Vocabulary, tables: Sequence[FilterTable]) -> None:
        self.fields = {field.key: field for field in vocabulary.fields}
        self.tables = tables
        self.left = MAX_PICTURES

    def of(self, offer: Offer) -> dict[str, Any]:
        field = self.fields.get(offer.key)
        if field is None:
            return {}
        columns = [table.column(field.key) for table in self.tables]
        if field.kinds == {"boolean"} or offer.kind in ("value", "tag", "state"):
            label = True if field.kinds == {"boolean"} else offer.label
            met = (column.equal_to(label) for column in columns)
            return {"count": int(sum(map(np.count_nonzero, met)))}
        if self.left == 0 or not field.kinds & {"number", "duration"}:
            return {}
        self.left -= 1
        known = np.concatenate([numbers_of(column) for column in columns], axis=None)
        bins = spread_of(known[np.isfinite(known)])
        return {"bins": bins} if bins else {}


def spread_of(values: Numbers) -> list[int]:
    """How many values are in each of BINS parts of their range; none if they are few or
    all equal."""
    if len(values) < BINS or values.min() == values.max():
        return []
    if values.min() > 0 and values.max() / values.min() >= LOG_FROM:
        values = np.log(values)
    counts: list[int] = np.histogram(values, BINS)[0].tolist()
    return counts


def utf16(text: str, place: int) -> int:
    """A place of the text as JavaScript counts it."""
    return len(text[:place].encode("utf-16-le", "surrogatepass")) // 2


def error_json(error: FilterError, text: str) -> dict[str, Any]:
    return {
        "message": error.message,
        "start": utf16(text, error.start),
        "end": utf16(text, error.end),
    }


def conditions_json(
    text: str, conditions: Sequence[FilterCondition]
) -> list[dict[str, Any]]:
    return [
        {
            "text": chip_text(each),
            "start": utf16(text, each.start),
            "end": utf16(text, each.end),
            "q_without": each.without,
            "field": each.field.key if each.field else None,
            "kind": each.kind,
            "low": each.low,
            "low_open": each.low_open,
            "high": each.high,
            "high_open": each.high_open,
            "values": list(each.values),
        }
        for each in conditions
    ]


def chip_text(condition: FilterCondition) -> str:
    """``lr 0.001 to 0.01`` for a range with both ends; else as it is written."""
    low, high, field = condition.low, condition.high, condition.field
    is_open = condition.low_open or condition.high_open
    if low is None or high is None or field is None or is_open:
        return condition.text
    if "number" not in field.kinds or "duration" in field.kinds:
        return condition.text
    one, other = distinct_texts(low, high)
    return f"{field.name} {one} to {other}"
