"""Texts of the table of trials, aligned at the decimal point. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from experiments.formatting import named_metric_text, number_text, texts

# The types of JSON numbers. A call for each cell would cost more.
NUMBERS = (int, float)
# As wide as a digit and as a point, where figures are tabular.
FIGURE_SPACE, POINT_SPACE = "\u2007", "\u2008"
MIN_DIGITS, MAX_DIGITS = 4, 6


@dataclass(frozen=True)
class TableCell:
    """One value of the table; ``exact`` is its tooltip."""

    text: str
    exact: str = ""
    numeric: bool = False
    unset: bool = False


def plain_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def value_texts(values: Sequence[Any], *, digits: int = 4) -> list[str]:
    """Numbers with some digits, anything else as it is."""
    found = texts(values, partial(number_text, digits=digits))
    return [
        text if type(value) in NUMBERS else plain_text(value)
        for value, text in zip(values, found, strict=True)
    ]


def decimals(text: str) -> int:
    """The width of the decimals with their point; 0 for whole numbers."""
    _, point, rest = text.partition(".")
    return len(rest) + 1 if point else 0


def padded(text: str, to: int) -> str:
    """With spaces at the right that align the decimal points of a column."""
    missing = to - decimals(text)
    if missing <= 0 or not text[-1:].isdigit():
        return text
    if decimals(text):
        return text + FIGURE_SPACE * missing
    return text + POINT_SPACE + FIGURE_SPACE * (missing - 1)


def value_column(
    values: Sequence[float | None], metric: str
) -> tuple[list[TableCell], int]:
    """The metric's cells, and the width of their decimals; with up to 6 digits until
    neighbors differ."""
    for digits in range(MIN_DIGITS, MAX_DIGITS + 1):
        found = texts(values, partial(named_metric_text, name=metric, digits=digits))
        if all(
            one == other or before != after
            for (one, before), (other, after) in pairwise(
                zip(values, found, strict=True)
            )
        ):
            break
    room = max(map(decimals, found), default=0)
    return [
        TableCell(padded(text, room), "" if value is None else str(value), numeric=True)
        for text, value in zip(found, values, strict=True)
    ], room


def parameter_column(
    name: str, configurations: Sequence[Mapping[str, Any]], numeric: Mapping[str, bool]
) -> tuple[list[TableCell], int]:
    """One parameter's cells, and the width of their decimals."""
    values = [params.get(name) for params in configurations]
    found = value_texts(values) if numeric[name] else [*map(plain_text, values)]
    numbers = [t for t, v in zip(found, values, strict=True) if type(v) in NUMBERS]
    room = max(map(decimals, numbers), default=0) if numeric[name] else 0
    return [
        TableCell(
            padded(text, room),
            str(value) if type(value) in NUMBERS else text,
            numeric[name],
        )
        if name in params
        else TableCell("not set", numeric=numeric[name], unset=True)
        for params, text, value in zip(configurations, found, values, strict=True)
    ], room


def summaries(configurations: Sequence[Mapping[str, Any]]) -> list[str]:
    """All parameters of each in one line, for narrow screens."""
    values = [value for params in configurations for value in params.values()]
    found = iter(value_texts(values, digits=3))
    return [
        ", ".join(f"{name} {next(found)}" for name in params)
        for params in configurations
    ]
