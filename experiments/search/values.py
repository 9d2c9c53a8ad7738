"""The values that a parameter may have: sameness, kinds, and what is allowed."""

from __future__ import annotations

import json

from experiments.search.problems import shown

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
    if _holds_nul(value):
        return "A value must not contain the character NUL."
    return None


def _holds_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_nul, [*value, *value.values()]))
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value
