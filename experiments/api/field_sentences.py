"""What is wrong with a field of a request, in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Problem = Mapping[str, Any]


def field_sentence(problem: Problem) -> str:
    """``problem`` is one of pydantic's; one of a kind that is not here keeps its
    words."""
    found = SENTENCES.get(problem["type"])
    if found is None:
        return f"{problem['msg']}."
    return found(problem.get("ctx", {})) if callable(found) else found


def _characters(limit: str, words: str) -> Callable[[Problem], str]:
    def sentence(context: Problem) -> str:
        count = context[limit]
        return f"Use at {words} {count:,} character{'' if count == 1 else 's'}."

    return sentence


def _items(limit: str, words: str) -> Callable[[Problem], str]:
    return lambda context: f"The list must have at {words} {context[limit]:,}."


def _expected(context: Problem) -> str:
    return f"Use {context['expected']}."


WHOLE, NUMBER = "This must be a whole number.", "This must be a number."
MAPPING, BOOL = "This must be a mapping.", "This must be true or false."
SENTENCES: Mapping[str, str | Callable[[Problem], str]] = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), WHOLE),
    "int_parsing_size": "This number is too large.",
    **dict.fromkeys(("float_type", "float_parsing"), NUMBER),
    **dict.fromkeys(("decimal_type", "decimal_parsing", "finite_number"), NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), BOOL),
    "string_type": "This must be a text.",
    "list_type": "This must be a list.",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), MAPPING),
    **dict.fromkeys(("literal_error", "enum"), _expected),
    "greater_than_equal": lambda context: f"This must be at least {context['ge']:,}.",
    "greater_than": lambda context: f"This must be more than {context['gt']:,}.",
    "less_than_equal": lambda context: f"This must be at most {context['le']:,}.",
    "less_than": lambda context: f"This must be less than {context['lt']:,}.",
    "string_too_long": _characters("max_length", "most"),
    "string_too_short": _characters("min_length", "least"),
    "too_long": _items("max_length", "most"),
    "too_short": _items("min_length", "least"),
}
