"""The form's fields for `metrics_collector`, and what it finds in pasted lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.form_fields import read_mapping
from experiments.runner.collectors.lines import LineFormat, PatternTooSlow
from experiments.runner.collectors.sample import FoundValue, values_in
from experiments.runner.collectors.settings import line_format
from experiments.search.document.collector import (
    AUTOMATIC,
    BY_ENDING,
    FIELD,
    FILE,
    FORMATS,
    JSON,
    NAME_VALUE,
    NONE,
    REGEX,
    STDOUT,
    TENSORBOARD,
    read_collector,
)
from experiments.search.fields import Diagnostics
from experiments.search.records import JSONValue
from experiments.search.wording import counted

# Of a document that the form has no fields for.
OTHER = "other"
CHOICES: Mapping[str, str] = {
    AUTOMATIC: "Automatic: printed values and TensorBoard files",
    NAME_VALUE: "Lines with name=value",
    JSON: "Lines of JSON",
    REGEX: "Lines that match a pattern",
    FILE: "A CSV, JSON or text file",
    TENSORBOARD: "TensorBoard files",
    NONE: "Only the script's own reports",
}
MAX_SAMPLE, MAX_SHOWN, MAX_LINE = 10_000, 50, 120
TOO_SLOW = (
    "The pattern takes too long on these lines. A worker skips such lines, and after"
    " a second of them it stops using the pattern."
    " Repeated groups such as (a+)+ are the usual reason."
)


def collector_kind(value: object) -> str:
    """The choice for a document's `metrics_collector`."""
    if value is None or value == AUTOMATIC:
        return AUTOMATIC
    if isinstance(value, str):
        value = {value.lower(): {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        return OTHER
    ((kind, settings),) = value.items()
    given = settings if isinstance(settings, Mapping) else {}
    if kind == STDOUT and given.keys() <= {"format", "pattern", "metrics"}:
        usual = REGEX if "pattern" in given else NAME_VALUE
        form = str(given.get("format", usual))
        return form if form in FORMATS else OTHER
    if kind == FILE and given.keys() <= {"path", "format"}:
        ending = str(given.get("path", "")).rpartition(".")[2].lower()
        usual = BY_ENDING.get(ending, NAME_VALUE)
        return FILE if given.get("format", usual) == usual else OTHER
    plain = {TENSORBOARD: {"path"}, NONE: set()}
    return kind if given.keys() <= plain.get(kind, set()) and kind in plain else OTHER


def collector_document(texts: Mapping[str, str], kind: str) -> JSONValue:
    """The mapping of a choice, without what has a field of its own."""
    if kind in FORMATS:
        return {STDOUT: {"format": kind}}
    if kind in (TENSORBOARD, FILE, NONE):
        return {kind: {}}
    if kind == OTHER:
        kept: JSONValue = read_mapping(texts.get("extra", "")).get(FIELD)
        return kept
    return None


def read_names(text: str) -> JSONValue:
    """Names with commas between them; None for an empty text."""
    names = [name.strip() for name in text.split(",")]
    return [name for name in names if name] or None


def write_names(value: object) -> str:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return ", ".join(map(str, value)) if is_list else ""  # type: ignore[call-overload]


@dataclass(frozen=True)
class TriedLine:
    """A pasted line, and what is found in it."""

    text: str
    found: Sequence[FoundValue]


@dataclass(frozen=True)
class TriedCollector:
    """What a collector finds in pasted lines; `words` says it in a sentence."""

    lines: Sequence[TriedLine]
    words: str
    is_good: bool = False


def try_collector(document: Mapping[str, Any], sample: str) -> TriedCollector | None:
    """None if there is nothing to try."""
    objective = document.get("objective") or {}
    primary = str(objective.get("primary_metric") or "")
    form = _line_format(document.get(FIELD), primary)
    if form is None or not sample.strip():
        return None
    text = sample.replace("\r\n", "\n")[:MAX_SAMPLE]
    try:
        found = values_in(text, form, primary)
    except PatternTooSlow:
        return TriedCollector((), TOO_SLOW)
    lines = [
        TriedLine(line[:MAX_LINE], [each for each in found if each.line == number])
        for number, line in enumerate(text.split("\n"), 1)
    ]
    shown = [line for line in lines if line.found][:MAX_SHOWN]
    own = sum(each.name == primary for each in found)
    return TriedCollector(shown, _words(found, own, primary), own > 0)


def _line_format(value: object, primary: str) -> LineFormat | None:
    """None without a primary metric, and for a collector that reads no lines or has
    problems, which its field shows."""
    diagnostics = Diagnostics()
    read = read_collector(value, diagnostics, primary=primary)
    if diagnostics.problems or not primary:
        return None
    if read is None:
        return LineFormat()
    settings = read.get(STDOUT) or read.get(FILE)
    return line_format(settings, primary) if isinstance(settings, Mapping) else None


def _words(found: Sequence[FoundValue], own: int, primary: str) -> str:
    if not found:
        return "Nothing is found in these lines."
    others = len(found) - own
    if not own:
        values = counted(others, "value")
        return f"Found {values}, but none of the primary metric {primary}."
    rest = f" and {others} of other metrics" if others else ""
    return f"Found {counted(own, 'value')} of {primary}{rest}."
