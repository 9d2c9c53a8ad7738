"""The policies of a combination as text, one a line, and back."""

from __future__ import annotations

import re
import textwrap

from experiments.document_yaml import line_text
from experiments.pages.builder.policy_fields import trimmed
from experiments.pages.value_text import write_scalar
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError
from experiments.search.records import JSONValue

# The text is read below a key, which takes a line and two columns.
KEY, INDENT = "policies", "  "
PLACE = re.compile(r"^Line (\d+), column (\d+)")


def read_policies(text: str) -> JSONValue:
    """The list that a text holds, None for nothing; what is no YAML stays text."""
    if not text.strip():
        return None
    try:
        return _read(text)
    except DefinitionError:
        return text.strip()


def policies_fault(text: str) -> str:
    """Why a text cannot be read; empty where it can."""
    try:
        if text.strip():
            _read(text)
    except DefinitionError as error:
        return PLACE.sub(_moved, error.problems[0].message)
    return ""


def write_policies(value: object) -> str:
    """The text that `read_policies` reads as these policies, without what is usual."""
    if not isinstance(value, list):
        return write_scalar(value)
    return "\n".join(f"- {line_text(trimmed(policy))}" for policy in value)


def _read(text: str) -> JSONValue:
    inside = textwrap.indent(text.replace("\r\n", "\n"), INDENT)
    value: JSONValue = load_document(f"{KEY}:\n{inside}")[KEY]  # type: ignore[assignment]
    return value


def _moved(place: re.Match[str]) -> str:
    line, column = int(place[1]) - 1, int(place[2]) - len(INDENT)
    return f"Line {max(line, 1)}, column {max(column, 1)}"
