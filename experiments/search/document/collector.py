"""`metrics_collector`: where a worker looks for metrics that a script does not report.

Without the field it looks for the primary metric in lines of output, and for event
files in the outputs folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from experiments.search.document.code import stays_inside
from experiments.search.fields import Diagnostics, Fields, join, shown
from experiments.search.records import JSONValue

FIELD = "metrics_collector"
STDOUT, TENSORBOARD, FILE, NONE = KINDS = ("stdout", "tensorboard", "file", "none")
AUTOMATIC = "automatic"
NAME_VALUE, JSON, REGEX, CSV = "name_value", "json", "regex", "csv"
FORMATS = (NAME_VALUE, JSON, REGEX)
FILE_FORMATS = (*FORMATS, CSV)
BY_ENDING = {"csv": CSV, "json": JSON, "jsonl": JSON}
# Groups of a pattern with a meaning; any other group is a metric of that name.
NAME, VALUE = "name", "value"
OTHERS = ("step", "global_step", "epoch", "iteration", "timestamp", "time")
MAX_PATTERN_LENGTH, MAX_NAMES, MAX_NAME_LENGTH = 1_000, 100, 250
OUTPUTS = "outputs"
EXAMPLE = r"(?P<name>\w+) is (?P<value>\S+)"


def read_collector(
    value: object, diagnostics: Diagnostics, *, primary: str
) -> dict[str, JSONValue] | None:
    """The canonical mapping, from kinds to their settings; None for automatic."""
    if value is None or value == AUTOMATIC:
        return None
    if isinstance(value, str) and value.lower() in KINDS:
        value = {value.lower(): {}}
    if not isinstance(value, Mapping) or not value:
        diagnostics.error(
            FIELD,
            f"{FIELD} must be stdout, tensorboard, none or a mapping such as {{stdout:"
            f" {{format: json}}}}, not {shown(value)}.",
        )
        return None
    fields = Fields(value, FIELD, diagnostics)
    read: dict[str, JSONValue] = {}
    for kind in KINDS:
        if kind in value:
            read[kind] = _read_kind(fields, kind, primary)
    fields.close()
    if NONE in read and len(read) > 1:
        diagnostics.error(FIELD, f"{FIELD} can have none, or other kinds, not both.")
    return read


def _read_kind(fields: Fields, kind: str, primary: str) -> dict[str, JSONValue]:
    """The settings of one kind; `kind:` alone means the defaults."""
    inner = fields.inner(kind)
    if fields.raw(kind) is None:
        inner = Fields({}, join(FIELD, kind), fields.diagnostics)
    if inner is None:
        return {}
    read: dict[str, JSONValue] = {}
    if kind == TENSORBOARD:
        read["path"] = _path(inner, OUTPUTS)
    elif kind == FILE:
        read["path"] = path = _path(inner, "", required="metrics.csv")
        default = BY_ENDING.get(path.rpartition(".")[2].lower(), NAME_VALUE)
        read |= _read_format(inner, FILE_FORMATS, default, primary)
    elif kind == STDOUT:
        read |= _read_format(inner, FORMATS, NAME_VALUE, primary)
    inner.close()
    return read


def _path(fields: Fields, default: str, *, required: str = "") -> str:
    path = fields.text("path", default, required=required).removeprefix("./")
    if path and not stays_inside(path.rstrip("/")):
        fields.must_be(
            "path",
            "a path below the trial's working folder, such as outputs/logs",
            value=path,
        )
        return default
    return path.rstrip("/")


def _read_format(
    fields: Fields, formats: Sequence[str], default: str, primary: str
) -> dict[str, JSONValue]:
    if fields.raw("pattern") is not None:
        default = REGEX
    form = fields.option("format", default, formats)
    read: dict[str, JSONValue] = {"format": form}
    pattern = fields.text(
        "pattern",
        "",
        required=EXAMPLE if form == REGEX else "",
        most=MAX_PATTERN_LENGTH,
    )
    if pattern and form != REGEX:
        fields.error("pattern", f"pattern belongs to format: regex, not to {form}.")
    elif pattern:
        read["pattern"] = pattern
        _check_pattern(fields, pattern, primary)
    if names := _names(fields):
        read["metrics"] = list(names)
    return read


def _check_pattern(fields: Fields, pattern: str, primary: str) -> None:
    if problem := pattern_problem(pattern):
        fields.error("pattern", problem)
        return
    named = [n for n in re.compile(pattern).groupindex if n not in OTHERS]
    if named and VALUE not in named and primary not in named:
        fields.warn(
            "pattern",
            f"No group of the pattern is named {primary}, so it never finds the primary"
            " metric.",
        )


def pattern_problem(pattern: str) -> str:
    """Why a regular expression is of no use here, with the place; "" if it is."""
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        place = getattr(error, "pos", None)
        where = "" if place is None else f" at character {place + 1}"
        said = getattr(error, "msg", None) or str(error)
        return f"The pattern is not a regular expression: {said}{where}."
    named = set(compiled.groupindex)
    if not compiled.groups or (named and not named - {NAME, *OTHERS}):
        return (
            "The pattern needs a group for the value, such as (?P<value>\\S+), or one"
            " with the metric's name, such as (?P<accuracy>\\S+)."
        )
    return ""


def _names(fields: Fields) -> list[str]:
    """`metrics`: the names that count besides the primary metric."""
    value = fields.raw("metrics")
    if value is None:
        return []
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    names = list(value) if is_list else []  # type: ignore[call-overload]
    good = [n for n in names if isinstance(n, str) and 0 < len(n) <= MAX_NAME_LENGTH]
    if not names or len(good) < len(names) or len(names) > MAX_NAMES:
        allowed = f"a list of 1 to {MAX_NAMES} names, such as [loss, f1]"
        fields.must_be("metrics", allowed, value=value)
        return []
    return list(dict.fromkeys(good))
