"""The values that a parameter may have: sameness, kinds, and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from experiments.search.problems import shown

# Longer texts make pages, tables and command lines useless.
LONGEST_TEXT = 10_000

# The JSON types, and what sentences call a value of each.
KINDS = {
    "number": "a number",
    "text": "text",
    "boolean": "true or false",
    "null": "null",
    "list": "a list",
    "mapping": "a mapping",
}


def identity(value: object) -> str:
    """Text that is equal exactly for equal values of equal JSON type.

    Raises TypeError or ValueError for what is no JSON value.
    """
    return json.dumps(value, sort_keys=True, allow_nan=False)


def same(one: object, other: object) -> bool:
    """Whether two values are equal and of one JSON type."""
    try:
        return identity(one) == identity(other)
    except (TypeError, ValueError):
        return False


def kind_of(value: object) -> str:
    """One of KINDS."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "text"
        case list() | tuple():
            return "list"
        case dict():
            return "mapping"
    return "number"


def value_problem(value: object) -> str | None:
    """Why something cannot be a parameter's value."""
    try:
        identity(value)
    except (TypeError, ValueError, RecursionError):
        return (
            "A value must be text, a finite number, true, false, null or a list of "
            f"these, not {shown(value)}."
        )
    return next(filter(None, map(_simple_problem, _simple_values(value))), None)


def _simple_values(value: object) -> Iterator[object]:
    """The keys and values inside lists and mappings, or the value itself."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _simple_values(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _simple_values(each)
    else:
        yield value


def _simple_problem(value: object) -> str | None:
    if isinstance(value, str):
        if "\0" in value:
            return "A value must not contain the character NUL."
        if len(value) > LONGEST_TEXT:
            return (
                f"A text must have at most {LONGEST_TEXT:,} characters;"
                f" {shown(value)} has {len(value):,}."
            )
    if isinstance(value, int) and not _fits_float(value):
        return f"A number must be at most 1.7e308 in size, not {shown(value)}."
    return None


def _fits_float(value: int) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True
