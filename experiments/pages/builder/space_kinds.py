"""The kinds of a parameter that the form offers, and the fields of each.

A row of the form has a few slots (low, high, mu, …) that kinds share, so that a text
survives when the kind is changed. A slot stands for a field of the sweep document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What a logarithmic kind's bounds are typed in.
NATURAL, LN = "natural", "ln"
SLOTS = ("low", "high", "mu", "sigma", "upper", "step", "values", "probabilities")


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
