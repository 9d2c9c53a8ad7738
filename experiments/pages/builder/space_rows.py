"""One row of the search space's form: its kind, the typed texts, and their meaning.

A row has a few fields (low, high, mu, …) that kinds share, so that a text survives when
the kind is changed. A field is one key of the document.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from django.http import QueryDict

from experiments.pages.form_fields import (
    ValuesError,
    read_mapping,
    read_number,
    read_values,
    write_mapping,
    write_scalar,
    write_values,
)
from experiments.search.fields import is_number, shown
from experiments.search.space.document import converted_name
from experiments.search.space.expressions import Call, parse_call
from experiments.search.space.notation import DISTRIBUTIONS
from experiments.search.space.source import ExpressionError

# The units in which bounds of a logarithmic kind are typed.
NATURAL, LN = "natural", "ln"
FIELD_NAMES = ("low", "high", "mu", "sigma", "upper", "step", "values", "probabilities")
LISTS = ("values", "probabilities")
MAX_DIGITS = 8
MAX_UNSAMPLED = 1e6
EXACT_LOGARITHMS = {math.e: math.log, 2.0: math.log2, 10.0: math.log10}


@dataclass(frozen=True)
class RowField:
    """One field of a kind: its name in the form, its key in a document, a label."""

    name: str
    key: str
    label: str


LOW = RowField("low", "min_value", "min")
HIGH = RowField("high", "max_value", "max")
MU = RowField("mu", "mu", "mean \N{GREEK SMALL LETTER MU}")
SIGMA = RowField("sigma", "sigma", "\N{GREEK SMALL LETTER SIGMA}")
LN_MU = RowField("mu", "mu", "ln \N{GREEK SMALL LETTER MU}")
LN_SIGMA = RowField("sigma", "sigma", "ln \N{GREEK SMALL LETTER SIGMA}")
Q = RowField("step", "q", "q")
FROM = RowField("low", "low", "low")
TO = RowField("high", "high", "high")
STEP = RowField("step", "step", "step")


@dataclass(frozen=True)
class KindSpec:
    """A kind of distribution. `log` is the document's field of that name; bounds of an
    `in_logs` kind are logarithms in the document.
    """

    key: str
    type: str
    fields: tuple[RowField, ...]
    label: str = ""
    log: bool = False
    in_logs: bool = False

    @property
    def name(self) -> str:
        return self.label or self.key


KINDS: Mapping[str, KindSpec] = {
    kind.key: kind
    for kind in (
        KindSpec(
            "choice",
            "choice",
            (
                RowField("values", "values", "values"),
                RowField("probabilities", "probabilities", "probabilities"),
            ),
        ),
        KindSpec("uniform", "uniform", (LOW, HIGH)),
        KindSpec("quniform", "quniform", (LOW, HIGH, Q)),
        KindSpec("loguniform", "loguniform", (LOW, HIGH), in_logs=True),
        KindSpec("qloguniform", "qloguniform", (LOW, HIGH, Q), in_logs=True),
        KindSpec("normal", "normal", (MU, SIGMA)),
        KindSpec("qnormal", "qnormal", (MU, SIGMA, Q)),
        KindSpec("lognormal", "lognormal", (LN_MU, LN_SIGMA)),
        KindSpec("qlognormal", "qlognormal", (LN_MU, LN_SIGMA, Q)),
        KindSpec("randint", "randint", (RowField("upper", "upper", "0 to below"),)),
        KindSpec("int", "int", (FROM, TO, STEP)),
        KindSpec("int-log", "int", (FROM, TO), label="int, log", log=True),
        KindSpec("float", "float", (FROM, TO, STEP)),
        KindSpec("float-log", "float", (FROM, TO), label="float, log", log=True),
    )
}
# Fields that are shown only if they have a text.
RARE = frozenset({"probabilities"})


def kind_key(type_name: str, *, log: bool) -> str:
    """The form's kind for a distribution of the document."""
    return f"{type_name}-log" if log else type_name


@dataclass(frozen=True)
class ParsedRow:
    """A row's key and mapping in the document, the name that is read from the key, and
    the problems of its texts by field."""

    key: str
    name: str
    mapping: Mapping[str, object]
    faults: Mapping[str, str]


@dataclass(frozen=True)
class SpaceRow:
    """A parameter as entered. `texts` has a text for every field, used or not.

    `extra` is JSON: what the document says of the parameter beyond these fields.
    """

    name: str = ""
    kind: str = "choice"
    unit: str = NATURAL
    texts: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""

    @classmethod
    def from_post(cls, data: QueryDict, index: str) -> SpaceRow:
        return cls(
            name=data.get(f"row-{index}-name", ""),
            kind=data.get(f"row-{index}-kind", "choice"),
            unit=LN if data.get(f"row-{index}-unit") == LN else NATURAL,
            texts={name: data.get(f"row-{index}-{name}", "") for name in FIELD_NAMES},
            extra=data.get(f"row-{index}-extra", ""),
        )

    @property
    def is_blank(self) -> bool:
        return not self.name.strip() and not any(map(str.strip, self.texts.values()))

    @property
    def spec(self) -> KindSpec:
        """The row's kind; an unknown kind has no fields."""
        return KINDS.get(self.kind) or KindSpec(self.kind, self.kind, ())

    @property
    def in_natural_units(self) -> bool:
        return self.spec.in_logs and self.unit == NATURAL

    @property
    def key(self) -> str:
        """The row's name in the document."""
        return self.name.strip()

    @property
    def name_as_read(self) -> str:
        return converted_name(self.key)

    @property
    def carried(self) -> Mapping[str, object]:
        """The content of `extra`, such as a condition."""
        return read_mapping(self.extra)

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    def with_text(self, name: str, text: str) -> SpaceRow:
        return replace(self, texts={**self.texts, name: text})

    def parsed(self, base: float) -> ParsedRow | None:
        """The row as in the document; None for a blank one."""
        if self.is_blank:
            return None
        mapping, faults = self.document(base)
        mapping = {**self.carried, **mapping}
        return ParsedRow(self.key, self.name_as_read, mapping, faults)

    def document(self, base: float) -> tuple[dict[str, object], dict[str, str]]:
        """The distribution's mapping, and the problems of texts by field.

        A text with a problem is in the mapping unchanged.
        """
        mapping: dict[str, object] = {"type": self.spec.type}
        problems: dict[str, str] = {}
        for own in self.spec.fields:
            try:
                value = self._value(own.name, base)
            except ValuesError as error:
                problems[own.key] = str(error)
                value = self.text(own.name).strip()
                if self.in_natural_units and own.name in ("low", "high"):
                    value = f"ln({value})"
            if value is not None:
                mapping[own.key] = value
        if self.spec.log:
            mapping["log"] = True
        if self.in_natural_units and not problems:
            problems.update(self._order_problems())
        return mapping, problems

    def _value(self, name: str, base: float) -> object:
        text = self.text(name)
        if name in LISTS:
            if name == "probabilities" and not text.strip():
                return None
            return read_values(text)
        value = read_number(text)
        if name in ("low", "high") and self.in_natural_units and is_number(value):
            return logarithm(value, base)
        return value

    def _order_problems(self) -> Iterator[tuple[str, str]]:
        low, high = (read_number(self.text(name)) for name in ("low", "high"))
        if is_number(low) and is_number(high) and low > high:
            yield "max_value", f"max must be at least min, which is {low}, not {high}."


def row_from(
    name: str, value: object, *, base: float, as_logs: bool
) -> SpaceRow | None:
    """The row for a distribution of a document; None if no row fits.

    `as_logs` keeps the bounds of logarithmic kinds as logarithms. Otherwise they
    are shown in natural units if those are exact and short.
    """
    mapping = _mapping(value)
    type_name = str((mapping or {}).get("type", "")).lower()
    if mapping is None or type_name not in DISTRIBUTIONS:
        return None
    row = SpaceRow(name, kind_key(type_name, log=mapping.get("log") is True), LN)
    own = {"type", "log", *(field.key for field in row.spec.fields)}
    extra = {key: given for key, given in mapping.items() if key not in own}
    texts = {
        field.name: _written(field.name, mapping.get(field.key))
        for field in row.spec.fields
    }
    row = replace(row, texts=texts, extra=write_mapping(extra))
    if row.spec.in_logs and not as_logs:
        return _in_natural_units(row, mapping, base)
    return row if row.spec.in_logs else replace(row, unit=NATURAL)


def logarithm(number: float, base: float) -> float:
    """The logarithm in the document for a bound in natural units."""
    if number <= 0:
        raise ValuesError(
            f"{shown(number)} has no logarithm. Enter a number above 0, such as 0.0001."
        )
    if base in EXACT_LOGARITHMS:
        return EXACT_LOGARITHMS[base](number)
    return math.log(number) / math.log(base)


def natural_text(bound: object, base: float) -> str | None:
    """A short number whose logarithm is exactly the bound, if one exists."""
    if not is_number(bound) or abs(bound * math.log(base)) > 700:
        return None
    value = math.exp(bound) if base == math.e else base**bound
    for digits in range(1, MAX_DIGITS + 1):
        number = float(f"{value:.{digits}g}")
        if number > 0 and logarithm(number, base) == bound:
            whole = number.is_integer() and number < MAX_UNSAMPLED
            return write_scalar(int(number) if whole else number)
    return None


def _in_natural_units(
    row: SpaceRow, mapping: Mapping[str, object], base: float
) -> SpaceRow:
    low = natural_text(mapping.get("min_value"), base)
    high = natural_text(mapping.get("max_value"), base)
    if low is None or high is None:
        return row
    return replace(row, unit=NATURAL, texts={**row.texts, "low": low, "high": high})


def _mapping(value: object) -> Mapping[str, object] | None:
    """A distribution as a mapping, in whichever form it is written."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):
        try:
            value = parse_call(value)
        except ExpressionError:
            return None
    match value:
        case [str(name), [*args]]:
            value = Call(name, tuple(args))
    if not isinstance(value, Call) or value.name.lower() not in DISTRIBUTIONS:
        return None
    kind = DISTRIBUTIONS[value.name.lower()]
    given = value.args
    if kind.kind == "choice" and given:
        only_list = len(given) == 1 and isinstance(given[0], list)
        given = (given[0] if only_list else list(given),)
    names = (item.name for item in kind.documented_fields())
    return {
        "type": kind.kind,
        **dict(zip(names, given, strict=False)),
        **value.keywords,
    }


def _written(name: str, value: object) -> str:
    if name in LISTS and isinstance(value, list):
        return write_values(value)
    return write_scalar(value)
