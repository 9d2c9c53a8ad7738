"""One row of the search space's form: its kind, texts as typed, and what they mean.

A row has a few slots (low, high, mu, …) that kinds share, so that a text survives when
the kind is changed. A slot stands for a field of the sweep document.
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
from experiments.search.space import DISTRIBUTIONS
from experiments.search.space.expressions import Call, ExpressionError, parse_call
from experiments.search.space.space import converted_name

# What a logarithmic kind's bounds are typed in.
NATURAL, LN = "natural", "ln"
SLOTS = ("low", "high", "mu", "sigma", "upper", "step", "values", "probabilities")
LISTS = ("values", "probabilities")
MAX_DIGITS = 8
MAX_UNSAMPLED = 1e6
EXACT_LOGARITHMS = {math.e: math.log, 2.0: math.log2, 10.0: math.log10}


@dataclass(frozen=True)
class Slot:
    """One field of a kind: the form's slot, the document's field, its short label."""

    slot: str
    field: str
    label: str


LOW = Slot("low", "min_value", "min")
HIGH = Slot("high", "max_value", "max")
MU = Slot("mu", "mu", "mean \N{GREEK SMALL LETTER MU}")
SIGMA = Slot("sigma", "sigma", "\N{GREEK SMALL LETTER SIGMA}")
LN_MU = Slot("mu", "mu", "ln \N{GREEK SMALL LETTER MU}")
LN_SIGMA = Slot("sigma", "sigma", "ln \N{GREEK SMALL LETTER SIGMA}")
Q = Slot("step", "q", "q")
FROM = Slot("low", "low", "low")
TO = Slot("high", "high", "high")
STEP = Slot("step", "step", "step")


@dataclass(frozen=True)
class Kind:
    """One entry of the list of kinds. `log` is the document's field of that name.

    Bounds of an `in_logs` kind are logarithms in the document.
    """

    key: str
    type: str
    slots: tuple[Slot, ...]
    label: str = ""
    log: bool = False
    in_logs: bool = False

    @property
    def name(self) -> str:
        return self.label or self.key


KINDS: Mapping[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind(
            "choice",
            "choice",
            (
                Slot("values", "values", "values"),
                Slot("probabilities", "probabilities", "probabilities"),
            ),
        ),
        Kind("uniform", "uniform", (LOW, HIGH)),
        Kind("quniform", "quniform", (LOW, HIGH, Q)),
        Kind("loguniform", "loguniform", (LOW, HIGH), in_logs=True),
        Kind("qloguniform", "qloguniform", (LOW, HIGH, Q), in_logs=True),
        Kind("normal", "normal", (MU, SIGMA)),
        Kind("qnormal", "qnormal", (MU, SIGMA, Q)),
        Kind("lognormal", "lognormal", (LN_MU, LN_SIGMA)),
        Kind("qlognormal", "qlognormal", (LN_MU, LN_SIGMA, Q)),
        Kind("randint", "randint", (Slot("upper", "upper", "0 to below"),)),
        Kind("int", "int", (FROM, TO, STEP)),
        Kind("int-log", "int", (FROM, TO), label="int, log", log=True),
        Kind("float", "float", (FROM, TO, STEP)),
        Kind("float-log", "float", (FROM, TO), label="float, log", log=True),
    )
}
# Fields that have no meaning there are offered where they hold something all the same.
RARE = frozenset({"probabilities"})


def kind_key(type_name: str, *, log: bool) -> str:
    """The form's kind for a distribution of the document."""
    return f"{type_name}-log" if log else type_name


@dataclass(frozen=True)
class ParsedRow:
    """A row's key in the document, the name that is read from it, its mapping, and by
    field what is wrong with its texts."""

    key: str
    name: str
    mapping: Mapping[str, object]
    faults: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """A parameter as entered. `texts` has a text for every slot, used or not.

    `extra` is JSON: what the document says of the parameter beyond the form's slots.
    """

    name: str = ""
    kind: str = "choice"
    unit: str = NATURAL
    texts: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""

    @classmethod
    def from_post(cls, data: QueryDict, index: str) -> Row:
        return cls(
            name=data.get(f"row-{index}-name", ""),
            kind=data.get(f"row-{index}-kind", "choice"),
            unit=LN if data.get(f"row-{index}-unit") == LN else NATURAL,
            texts={slot: data.get(f"row-{index}-{slot}", "") for slot in SLOTS},
            extra=data.get(f"row-{index}-extra", ""),
        )

    @property
    def is_blank(self) -> bool:
        return not self.name.strip() and not any(map(str.strip, self.texts.values()))

    @property
    def law(self) -> Kind:
        """What the row's kind is; an unknown kind has no fields."""
        return KINDS.get(self.kind) or Kind(self.kind, self.kind, ())

    @property
    def in_natural_units(self) -> bool:
        return self.law.in_logs and self.unit == NATURAL

    @property
    def key(self) -> str:
        """The name that the document has for the row."""
        return self.name.strip()

    @property
    def name_as_read(self) -> str:
        return converted_name(self.key)

    @property
    def carried(self) -> Mapping[str, object]:
        """What `extra` holds, such as a condition."""
        return read_mapping(self.extra)

    def text(self, slot: str) -> str:
        return self.texts.get(slot, "")

    def with_text(self, slot: str, text: str) -> Row:
        return replace(self, texts={**self.texts, slot: text})

    def parsed(self, base: float) -> ParsedRow | None:
        """The row as the document has it; None for a blank one."""
        if self.is_blank:
            return None
        mapping, faults = self.document(base)
        mapping = {**self.carried, **mapping}
        return ParsedRow(self.key, self.name_as_read, mapping, faults)

    def document(self, base: float) -> tuple[dict[str, object], dict[str, str]]:
        """The distribution's mapping, and by field what is wrong with the texts.

        Where there is a sentence, the mapping holds the text instead of a value.
        """
        mapping: dict[str, object] = {"type": self.law.type}
        problems: dict[str, str] = {}
        for slot in self.law.slots:
            try:
                value = self._value(slot.slot, base)
            except ValuesError as error:
                problems[slot.field] = str(error)
                value = self.text(slot.slot).strip()
                if self.in_natural_units and slot.slot in ("low", "high"):
                    value = f"ln({value})"
            if value is not None:
                mapping[slot.field] = value
        if self.law.log:
            mapping["log"] = True
        if self.in_natural_units and not problems:
            problems.update(self._order_problems())
        return mapping, problems

    def _value(self, slot: str, base: float) -> object:
        text = self.text(slot)
        if slot in LISTS:
            if slot == "probabilities" and not text.strip():
                return None
            return read_values(text)
        value = read_number(text)
        if slot in ("low", "high") and self.in_natural_units and is_number(value):
            return logarithm(value, base)
        return value

    def _order_problems(self) -> Iterator[tuple[str, str]]:
        low, high = (read_number(self.text(slot)) for slot in ("low", "high"))
        if is_number(low) and is_number(high) and low > high:
            yield "max_value", f"max must be at least min, which is {low}, not {high}."


def row_from(name: str, value: object, *, base: float, as_logs: bool) -> Row | None:
    """The row for a distribution of a document; None when it cannot be one.

    `as_logs` leaves the bounds of logarithmic kinds as they stand there. Otherwise they
    are shown in natural units where those are exact and short.
    """
    mapping = _mapping(value)
    type_name = str((mapping or {}).get("type", "")).lower()
    if mapping is None or type_name not in DISTRIBUTIONS:
        return None
    row = Row(name, kind_key(type_name, log=mapping.get("log") is True), LN)
    own = {"type", "log", *(slot.field for slot in row.law.slots)}
    extra = {key: given for key, given in mapping.items() if key not in own}
    texts = {
        slot.slot: _written(slot.slot, mapping.get(slot.field))
        for slot in row.law.slots
    }
    row = replace(row, texts=texts, extra=write_mapping(extra))
    if row.law.in_logs and not as_logs:
        return _in_natural_units(row, mapping, base)
    return row if row.law.in_logs else replace(row, unit=NATURAL)


def logarithm(number: float, base: float) -> float:
    """The logarithm that a document has for a bound in natural units."""
    if number <= 0:
        raise ValuesError(
            "This must be above 0, because the logarithm of 0 has no value, "
            f"not {shown(number)}. Allowed: any number above 0, such as 0.0001."
        )
    if base in EXACT_LOGARITHMS:
        return EXACT_LOGARITHMS[base](number)
    return math.log(number) / math.log(base)


def natural_text(bound: object, base: float) -> str | None:
    """The short number whose logarithm is exactly the bound; None if there is none."""
    if not is_number(bound) or abs(bound * math.log(base)) > 700:
        return None
    value = math.exp(bound) if base == math.e else base**bound
    for digits in range(1, MAX_DIGITS + 1):
        number = float(f"{value:.{digits}g}")
        if number > 0 and logarithm(number, base) == bound:
            whole = number.is_integer() and number < MAX_UNSAMPLED
            return write_scalar(int(number) if whole else number)
    return None


def _in_natural_units(row: Row, mapping: Mapping[str, object], base: float) -> Row:
    low = natural_text(mapping.get("min_value"), base)
    high = natural_text(mapping.get("max_value"), base)
    if low is None or high is None:
        return row
    return replace(row, unit=NATURAL, texts={**row.texts, "low": low, "high": high})


def _mapping(value: object) -> Mapping[str, object] | None:
    """The mapping form of a distribution that is written in any of the ways."""
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


def _written(slot: str, value: object) -> str:
    if slot in LISTS and isinstance(value, list):
        return write_values(value)
    return write_scalar(value)
