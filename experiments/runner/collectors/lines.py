"""Metrics in lines of text: from raw output to readings.

A line is what stays on the screen: colours are removed, and of a progress bar only its
last state counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from experiments.runner.collectors.readings import (
    STEP_NAMES,
    TIME_NAMES,
    Reading,
    moment_from,
    number_from,
    split_timestamp,
    whole_from,
)

MAX_LINE_LENGTH = 16 * 1024
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[ -~]"
)
NUMBER = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|inf(?:inity)?)"
# `accuracy=0.9`, `'accuracy': np.float64(0.9)`; not `accuracy: 912/1000`.
ASSIGNED = (
    rf"['\"]?\s{{0,8}}[=:]\s{{0,8}}(?:[\w.]{{1,30}}\(\s?)?({NUMBER})(?![\w/:]|\.\d)"
)
BEFORE = r"(?<![\w./|@-])['\"]?"
ANY_NAME = r"([A-Za-z_][\w./|@-]{0,249})"
STEP = re.compile(
    r"(?<![\w./|-])['\"]?(?:global_)?(step|epoch|iteration)['\"]?\s{0,3}[=:]?\s{0,3}\[?(\d{1,18})(?![\d.])",
    re.IGNORECASE,
)
NNI = "NNISDK_MEb'"
NNI_NAME = "default"
SEPARATORS = ",;\t"

Parse: TypeAlias = "Callable[[str], Iterable[Reading]]"


class PatternTooSlow(Exception):
    """A pattern has taken too long too often; it is not used any more."""


class LineBuffer:
    """Cuts raw output into lines, each bounded; `needles` are texts that a line must
    have to matter (none: all do)."""

    def __init__(self, needles: Collection[str] = ()) -> None:
        self._needles = [needle.encode() for needle in needles]
        self._rest = b""
        self._is_cut = False

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that have ended."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        whole, self._rest = data[:end], data[end:]
        if whole and self._matters(whole):
            yield from self._lines(whole[:-1].split(b"\n"))
        elif whole:
            self._is_cut = False
        if len(self._rest) > MAX_LINE_LENGTH:
            self._bound_rest()

    def finish(self) -> Iterator[str]:
        """The last line, if nothing ended it."""
        rest, self._rest = self._rest, b""
        if rest and self._matters(rest):
            yield from self._lines([rest])

    def _matters(self, data: bytes) -> bool:
        return not self._needles or any(needle in data for needle in self._needles)

    def _lines(self, pieces: Iterable[bytes]) -> Iterator[str]:
        for piece in pieces:
            was_cut, self._is_cut = self._is_cut, False
            if not self._matters(piece):
                continue
            line = _visible(piece)
            if was_cut or len(line) > MAX_LINE_LENGTH:
                # A number at the end may be incomplete.
                line = line[:MAX_LINE_LENGTH].rpartition(b" ")[0]
            yield ESCAPES.sub("", line.decode(errors="replace"))

    def _bound_rest(self) -> None:
        """Of a long line, keep the last state of a progress bar, or else the start."""
        rest = _visible(self._rest)
        self._is_cut = self._is_cut or len(rest) > MAX_LINE_LENGTH
        self._rest = rest[:MAX_LINE_LENGTH]


def _visible(line: bytes) -> bytes:
    """What is left of a line after its carriage returns."""
    if b"\r" not in line:
        return line
    return next((each for each in reversed(line.split(b"\r")) if each.strip()), b"")


def name_value(names: Collection[str] | None) -> Parse:
    """`name=value` and `name: value`, for these names only (None: all)."""
    allowed = ANY_NAME
    if names is not None:
        longest_first = sorted(names, key=len, reverse=True)
        allowed = f"({'|'.join(map(re.escape, longest_first))})"
    pattern = re.compile(BEFORE + allowed + ASSIGNED, re.IGNORECASE)
    known = set(names or ())

    def parse(line: str) -> Iterator[Reading]:
        moment, line = split_timestamp(line)
        found = [(each[1], each[2]) for each in pattern.finditer(line)]
        step = _step_in(line) if found else None
        # Of `accuracy: 0.9 (best accuracy: 0.95)`, the first counts.
        for name, value in dict(reversed(found)).items():
            if name in known if known else name.lower() not in STEP_NAMES:
                yield Reading(name, float(value), step, moment)

    return parse


def _step_in(line: str) -> int | None:
    """`step=3`, `Epoch [3/10]`; a step counts before an epoch."""
    found = {name.lower(): int(number) for name, number in STEP.findall(line)}
    return next((found[name] for name in STEP_NAMES if name in found), None)


def json_line(names: Collection[str] | None) -> Parse:
    """One JSON object per line: its fields are metrics, `step` and `timestamp`."""

    def parse(line: str) -> Iterator[Reading]:
        moment, line = split_timestamp(line.strip())
        if not (line.startswith("{") and line.endswith("}")):
            return
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            return
        yield from readings_of(fields, names, moment)

    return parse


def readings_of(
    fields: Mapping[str, object],
    names: Collection[str] | None,
    moment: float | None = None,
) -> Iterator[Reading]:
    """The metrics among the fields of a JSON object or of a table's row."""
    steps = (whole_from(fields.get(name)) for name in STEP_NAMES)
    step = next((each for each in steps if each is not None), None)
    times = (moment_from(fields.get(name)) for name in TIME_NAMES)
    moment = next((each for each in times if each is not None), moment)
    for name, given in fields.items():
        is_metric = name not in (*STEP_NAMES, *TIME_NAMES)
        if is_metric if names is None else name in names:
            value = number_from(given)
            if value is not None:
                yield Reading(name, value, step, moment)


def json_document(text: str, names: Collection[str] | None) -> list[Reading]:
    """A whole JSON text: an object, a list of them, or lists by name."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    rows = value if isinstance(value, list) else [value]
    if isinstance(value, dict) and value and all(map(_is_list, value.values())):
        columns = zip(*value.values(), strict=False)
        rows = [dict(zip(value, row, strict=True)) for row in columns]
    objects = (row for row in rows if isinstance(row, dict))
    return [reading for row in objects for reading in readings_of(row, names)]


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def nni_line(primary: str) -> Parse:
    """What NNI's client prints on remote platforms: its default metric is the primary
    one."""

    def parse(line: str) -> Iterator[Reading]:
        start = line.find(NNI)
        if start < 0:
            return
        text = line[start + len(NNI) :].rstrip().removesuffix("'")
        try:
            report = json.loads(text.replace("\\\\", "\\"))
            value = json.loads(report["value"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        step = report.get("sequence") if report.get("type") == "PERIODICAL" else None
        fields = value if isinstance(value, dict) else {NNI_NAME: value}
        for name, given in fields.items():
            if (number := number_from(given)) is not None:
                name = primary if name == NNI_NAME else name
                yield Reading(name, number, whole_from(step))

    return parse


def table_row(names: Collection[str] | None) -> Parse:
    """The rows of a CSV file; its first line has the metrics' names."""
    import csv

    header: list[str] = []
    separator = ","

    def cells(line: str) -> list[str]:
        rows = csv.reader([line], delimiter=separator, skipinitialspace=True)
        return [cell.strip() for cell in next(rows, [])]

    def parse(line: str) -> Iterable[Reading]:
        nonlocal separator
        if header or not line.strip():
            return readings_of(dict(zip(header, cells(line), strict=False)), names)
        separator = max(SEPARATORS, key=line.count)
        header.extend(name.lstrip("#\ufeff ") for name in cells(line))
        return ()

    return parse


@dataclass(frozen=True)
class LineFormat:
    """How to find metrics in lines. `kind` is automatic, name_value, json, csv or
    regex; without `names` every name counts, except in `name=value`, where only the
    primary metric's does."""

    kind: str = "automatic"
    pattern: str = ""
    names: frozenset[str] | None = None

    def needles(self, primary: str) -> Collection[str]:
        """Texts, one of which a line of interest has; none if it cannot be said."""
        if self.kind == "automatic":
            return (primary, NNI)
        if self.kind == "name_value":
            return self.names or (primary,)
        return ()

    def whole(self) -> Parse | None:
        """Reads a whole text that has no metrics in its lines."""
        if self.kind != "json":
            return None
        return lambda text: json_document(text, self.names)

    def parser(self, primary: str) -> Parse:
        """Raises re.error and ValueError for a pattern that is not usable."""
        if self.kind == "regex":
            # Few trials need it.
            from experiments.runner.collectors.patterns import pattern_line

            return pattern_line(self.pattern, self.names, primary)
        if self.kind in ("json", "csv"):
            return (json_line if self.kind == "json" else table_row)(self.names)
        assigned = name_value(self.names or {primary})
        if self.kind == "name_value":
            return assigned
        return _first_of(json_line({primary}), nni_line(primary), assigned)


def _first_of(*parsers: Parse) -> Parse:
    """The readings of the first parser that finds any."""

    def parse(line: str) -> Iterable[Reading]:
        found = (list(each(line)) for each in parsers)
        return next(filter(None, found), ())

    return parse
