"""The kinds of distributions that a row can have, and their units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.pages.form_fields import ValuesError, write_scalar
from experiments.search.fields import is_number, shown

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
TITLES: Mapping[str, str] = {
    "low": "lower bound",
    "high": "upper bound",
    "mu": "mean",
    "sigma": "standard deviation",
    "upper": "upper end, not included",
    "step": "step",
    "values": "values",
    "probabilities": "probabilities",
}
# Fields that are shown only if they have a text.
RARE = frozenset({"probabilities"})


def kind_key(type_name: str, *, log: bool) -> str:
    """The form's kind for a distribution of the document."""
    return f"{type_name}-log" if log else type_name


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
