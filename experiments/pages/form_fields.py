"""Form fields as people type them, and back: values such as `16, sgd, "16", true` with
their JSON types, durations such as `90 s` or `1 d 4 h`, and checked numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from experiments.formatting import exact_duration_text
from experiments.search.document.durations import MAX_SECONDS, exact, seconds_of
from experiments.search.fields import is_number, shown
from experiments.search.records import JSONValue

WHOLE = re.compile(r"[-+]?[0-9]+")
NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
MAX_NUMBER_LENGTH = 400
MAX_DEPTH = 20
CONSTANTS: dict[str, JSONValue] = {
    **{"true": True, "false": False, "null": None},
    **{"True": True, "False": False, "None": None},
}


class ValuesError(ValueError):
    """A list of values that cannot be read; the message says why."""


def read_number(text: str) -> JSONValue:
    """A number; None for an empty text; any other text unchanged."""
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    if not plain:
        return None
    if not NUMBER.fullmatch(plain) or len(plain) > MAX_NUMBER_LENGTH:
        return text.strip()
    if WHOLE.fullmatch(plain):
        return int(plain)
    number = float(plain)
    return number if math.isfinite(number) else text.strip()


def write_scalar(value: object) -> str:
    """A field's text for a value: text unchanged, empty for None, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def read_plain(text: str) -> JSONValue:
    """A number, true, false, or text; quotes keep a number text."""
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    number = read_number(text)
    return number if isinstance(number, int | float) else read_quoted(text)


def write_plain(value: JSONValue) -> str:
    """The text that `read_plain` reads as this value."""
    if isinstance(value, str) and _same(read_plain(value), value) and _one_line(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def read_quoted(text: str) -> str:
    """Text; in double quotes it may contain line breaks and spaces at its ends."""
    text = text.strip()
    try:
        value = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return value if isinstance(value, str) and _is_whole(value) else text


def write_quoted(value: str) -> str:
    """The text that `read_quoted` reads as this value."""
    if read_quoted(value) == value and _one_line(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def read_mapping(text: str) -> dict[str, JSONValue]:
    """A mapping that a hidden field has as JSON; empty for anything else."""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and _is_whole(value) else {}


def write_mapping(mapping: Mapping[str, object]) -> str:
    """The text that `read_mapping` reads as this mapping; empty for an empty one."""
    return json.dumps(mapping, default=str) if mapping else ""


def read_values(text: str) -> list[JSONValue]:
    """The values of a list, with or without brackets. Raises ValuesError.

    Numbers, true, false and null are as in JSON, quotes make a text, brackets a list.
    Other words are text.
    """
    reader = _ValuesReader(text)
    values = reader.values(nested=0)
    if len(values) == 1 and text.strip().startswith("["):
        return values[0] if isinstance(values[0], list) else values
    return values


def write_values(values: list[JSONValue]) -> str:
    """The text that `read_values` reads as these values."""
    text = ", ".join(map(_write_value, values))
    return f"[{text}]" if len(values) == 1 and isinstance(values[0], list) else text


class _ValuesReader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def values(self, *, nested: int) -> list[JSONValue]:
        """Values up to the end of the text, or up to the closing bracket."""
        if nested > MAX_DEPTH:
            raise ValuesError(f"Lists can be nested {MAX_DEPTH} levels deep.")
        found: list[JSONValue] = []
        while True:
            self._skip(" \t\r\n,")
            if self._place == len(self._text):
                if nested:
                    raise ValuesError("A bracket [ is not closed by ].")
                return found
            if nested and self._text[self._place] == "]":
                self._place += 1
                return found
            found.append(self._value(nested))

    def _value(self, nested: int) -> JSONValue:
        start = self._place
        first = self._text[start]
        if first == "[":
            self._place += 1
            value: JSONValue = self.values(nested=nested + 1)
        elif first in '"{':
            value = self._json(start)
        elif first == "'":
            value = self._single()
        else:
            return self._bare(nested)
        self._end(start, nested)
        return value

    def _json(self, start: int) -> JSONValue:
        try:
            decoder = json.JSONDecoder(parse_constant=_refuse_constant)
            value, self._place = decoder.raw_decode(self._text, start)
        except (ValueError, RecursionError):
            rest = shown(self._text[start:], most=40)
            what = "A quotation mark is not closed"
            if self._text[start] == "{":
                what = "This mapping is not JSON"
            raise ValuesError(f"{what}: {rest}.") from None
        if not _is_whole(value):
            raise ValuesError("Text must not contain half a surrogate pair.")
        found: JSONValue = value
        return found

    def _single(self) -> str:
        end = self._text.find("'", self._place + 1)
        if end < 0:
            rest = shown(self._text[self._place :], most=40)
            raise ValuesError(f"A quotation mark is not closed: {rest}.")
        text = self._text[self._place + 1 : end]
        self._place = end + 1
        return text

    def _bare(self, nested: int) -> JSONValue:
        start = self._place
        stops = ",]" if nested else ","
        while self._place < len(self._text) and self._text[self._place] not in stops:
            self._place += 1
        word = self._text[start : self._place].strip()
        return CONSTANTS[word] if word in CONSTANTS else read_number(word)

    def _end(self, start: int, nested: int) -> None:
        """Only a comma may follow quotes and brackets."""
        written = self._text[start : self._place]
        self._skip(" \t\r\n")
        rest = self._text[self._place : self._place + 1]
        if rest and rest not in (",]" if nested else ","):
            raise ValuesError(f"A comma is missing after {shown(written, most=40)}.")

    def _skip(self, letters: str) -> None:
        while self._place < len(self._text) and self._text[self._place] in letters:
            self._place += 1


def _write_value(value: JSONValue) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_write_value, value))}]"
    if isinstance(value, str) and _reads_bare(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _reads_bare(text: str) -> bool:
    """Whether the text needs no quotes, not even inside brackets."""
    try:
        return _one_line(text) and _same(read_values(f"[{text}]"), [text])
    except ValuesError:
        return False


def _is_whole(value: object) -> bool:
    """Whether no text in a value has half a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _one_line(text: str) -> bool:
    return text.isprintable()


def _same(one: JSONValue, other: JSONValue) -> bool:
    return type(one) is type(other) and one == other


def _refuse_constant(name: str) -> JSONValue:
    raise ValueError(name)


ALLOWED = (
    "Use a number of seconds such as 90, or a number with a unit: 90 s, 10 m, 2 h,"
    " 1 d 4 h, up to 3,650 days. Leave it empty for no limit."
)


class DurationField(forms.CharField):
    """A duration in seconds, shown in units. Empty and 0 mean None: no limit."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=forms.TextInput(attrs={"autocomplete": "off"}), **options
        )

    def prepare_value(self, value: Any) -> Any:
        """What was typed stays unchanged; a number is written in units."""
        return value if isinstance(value, str) else write_duration(value)

    def to_python(self, value: Any) -> Any:
        """Raises ValidationError that names the value and what is allowed."""
        text = str(value or "").strip()
        seconds = seconds_of(text)
        if text and (seconds is None or seconds > MAX_SECONDS):
            raise ValidationError(
                f"{shown(text, most=40)} is not a duration. {ALLOWED}"
            )
        return whole(seconds) if seconds else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compares meanings: `90 s` does not change 90."""
        try:
            now = self.to_python(data)
        except ValidationError:
            return True
        return bool(now != (exact(initial) if initial else None))


def whole(seconds: float) -> int | float:
    """The number without ``.0``, if it is whole."""
    return int(seconds) if float(seconds).is_integer() else seconds


def read_duration(text: str) -> JSONValue:
    """Seconds for `10 m` or `1 h`; None for an empty text; any other text unchanged."""
    seconds = seconds_of(text)
    return (text.strip() or None) if seconds is None else whole(seconds)


def write_duration(value: Any) -> str:
    """`1 h 30 m` for 5400, however a document writes it; empty for None; what is not a
    duration unchanged, so that it can be corrected."""
    seconds = read_duration(value) if isinstance(value, str) else value
    if is_number(seconds) and 0 < seconds <= MAX_SECONDS:
        return exact_duration_text(seconds)
    return write_scalar(value)


class _NumberField(forms.Field):
    """Its errors name what was typed and what is allowed."""

    allowed = ""

    def clean(self, value: Any) -> Any:
        try:
            return super().clean(value)
        except ValidationError:
            text = str(value or "").strip()
            what = f"{shown(text, most=40)} is not allowed. " if text else ""
            raise ValidationError(f"{what}Enter {self.allowed}.") from None


class WholeNumberField(_NumberField, forms.IntegerField):
    """A whole number from ``least`` to ``most``."""

    def __init__(self, *, least: int, most: int, **options: Any) -> None:
        super().__init__(min_value=least, max_value=most, **options)
        self.allowed = f"a whole number from {least:,} to {most:,}"


class PriceField(_NumberField, forms.DecimalField):
    """An amount of money with as many digits as a pool's price may have."""

    allowed = "a number from 0 to 999,999 with up to 4 decimals, such as 1.25"
    widget = forms.TextInput(attrs={"inputmode": "decimal"})

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_digits=10, decimal_places=4, **options)
