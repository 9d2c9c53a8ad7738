"""The settings of early termination policies as form fields, made from the policies'
own declarations, and back.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from experiments.pages.form_fields import read_number, write_scalar
from experiments.search.document.loading import load_document
from experiments.search.document.yaml import line_text
from experiments.search.fields import DefinitionError
from experiments.search.records import JSONValue
from experiments.search.termination import POLICIES, Policy
from experiments.search.termination.settings import Setting

NO_POLICY = "none"
# The policy of a new form, which has a fixed number of trials.
CAUTIOUS = "predictive"
# The list is read below a key, which takes a line and two columns.
KEY, INDENT = "policies", "  "
PLACE = re.compile(r"^Line (\d+), column (\d+)")

Reader: TypeAlias = Callable[[str], JSONValue]
Writer: TypeAlias = Callable[[object], str]


def read_line(text: str) -> JSONValue:
    """Text on one line; None for an empty one."""
    return text.strip() or None


def read_flag(text: str) -> JSONValue:
    """true for a ticked box; otherwise None, which the document leaves out."""
    return True if text == "on" else None


def write_flag(value: object) -> str:
    return "on" if value is True else write_scalar(value or None)


def read_policies(text: str) -> JSONValue:
    """The list in a text; None for an empty text; unreadable text unchanged."""
    if not text.strip():
        return None
    try:
        return _load(text)
    except DefinitionError:
        return text.strip()


def write_policies(value: object) -> str:
    """The text that `read_policies` reads as these policies, without defaults."""
    if not isinstance(value, list):
        return write_scalar(value)
    return "\n".join(f"- {line_text(trimmed(policy))}" for policy in value)


def policies_faults(text: str) -> Sequence[str]:
    """Why a text cannot be read; empty if it can."""
    try:
        if text.strip():
            _load(text)
    except DefinitionError as error:
        return [PLACE.sub(_moved, error.problems[0].message)]
    return ()


# By control: how a text becomes a value, and back.
CONTROLS: Mapping[str, tuple[Reader, Writer]] = {
    "number": (read_number, write_scalar),
    "check": (read_flag, write_flag),
    "choice": (read_line, write_scalar),
    "lines": (read_policies, write_policies),
}


def settings_of(kind: str) -> Mapping[str, Setting]:
    """The declarations of a policy; empty for an unknown one."""
    policy = POLICIES.get(kind)
    return policy.declarations() if policy else {}


@cache
def shown_settings() -> Mapping[str, tuple[Setting, Sequence[str]]]:
    """Every setting, those that only some policies have first, with the policies that
    show it. Policies with rungs do not show a schedule."""
    common = Policy.declarations()
    kinds: dict[str, list[str]] = {}
    for kind, policy in POLICIES.items():
        for name in settings_of(kind):
            if name not in Policy.SCHEDULE or not policy.has_rungs:
                kinds.setdefault(name, []).append(kind)
    return {
        name: (common.get(name) or settings_of(kinds[name][0])[name], kinds[name])
        for name in sorted(kinds, key=lambda name: name in common)
    }


def is_default(kind: str, name: str, value: object) -> bool:
    """Whether a setting's value needs no text in the form."""
    setting = settings_of(kind).get(name)
    if setting is None:
        return False
    is_shown = setting.says_when and not (
        name in Policy.SCHEDULE and POLICIES[kind].has_rungs
    )
    return not is_shown and setting.is_default(value)


def trimmed(settings: object) -> object:
    """A policy's mapping without defaults, also inside nested policies."""
    if not isinstance(settings, Mapping):
        return settings
    known = settings_of(str(settings.get("type")))
    return {
        name: [trimmed(each) for each in value] if isinstance(value, list) else value
        for name, value in settings.items()
        if name not in known or not known[name].is_default(value)
    }


def option_choices(setting: Setting, picked: str) -> list[tuple[str, str]]:
    """The options with their labels, the default as empty text; and the picked one."""
    choices = [
        ("" if setting.is_default(value) else value, words)
        for value, words in setting.options.items()
    ]
    if picked not in [value for value, _ in choices]:
        choices.append((picked, setting.options.get(picked, picked[:60])))
    return choices


def _load(text: str) -> JSONValue:
    inside = textwrap.indent(text.replace("\r\n", "\n"), INDENT)
    value: JSONValue = load_document(f"{KEY}:\n{inside}")[KEY]  # type: ignore[assignment]
    return value


def _moved(place: re.Match[str]) -> str:
    line, column = int(place[1]) - 1, int(place[2]) - len(INDENT)
    return f"Line {max(line, 1)}, column {max(column, 1)}"
