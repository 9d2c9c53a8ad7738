"""An Optuna study, its distributions (old and new), and its parameters' conditions.

A study's code decides which parameters a trial has. If the values of one choice explain
it exactly, in every trial, they become the parameter's condition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from experiments.search.fields import is_number, join, listed, shown
from experiments.search.formats.nodes import Log, json_value
from experiments.search.records import JSONObject, JSONValue
from experiments.search.wording import counted

MAX_JSON_LENGTH = 100_000
SHORT = {
    "float": "FloatDistribution",
    "int": "IntDistribution",
    "categorical": "CategoricalDistribution",
}
FLOATS = (
    "FloatDistribution",
    "UniformDistribution",
    "LogUniformDistribution",
    "DiscreteUniformDistribution",
)
INTS = ("IntDistribution", "IntUniformDistribution", "IntLogUniformDistribution")
FIELDS = ("low", "high", "log", "step", "q", "choices")
# A failed trial may have failed before it used all its parameters.
ENDED = ("COMPLETE", "PRUNED")
# Pairs of a parameter and another parameter's value.
MAX_CHECKS = 200_000
# Beyond it, rounding errors are larger than any step, and sums may be infinite.
MAX_SNAPPED = 2.0**53


@dataclass
class StudyTrial:
    """One trial in Optuna's terms: its state in upper case, its values by name.

    `place` is the path of its distributions, if it has its own. `constraints` are those
    of a constrained study; a trial meets one that is at most 0.
    """

    state: str
    params: JSONObject
    values: list[float] = field(default_factory=list)
    distributions: dict[str, object] = field(default_factory=dict)
    place: str = ""
    constraints: list[float] = field(default_factory=list)

    @property
    def is_feasible(self) -> bool:
        return all(value <= 0 for value in self.constraints)


@dataclass
class OptunaStudy:
    """A study, from JSON or a storage; `place` is the path of its distributions."""

    name: str = ""
    directions: list[str] = field(default_factory=list)
    metric: str = ""
    trials: list[StudyTrial] = field(default_factory=list)
    distributions: dict[str, object] = field(default_factory=dict)
    place: str = "distributions"
    tags: JSONObject = field(default_factory=dict)
    sampling: JSONObject = field(default_factory=dict)
    policy: JSONObject = field(default_factory=dict)

    def all_distributions(self) -> Iterator[tuple[str, str, object]]:
        """Every distribution with its parameter's name and its path."""
        for name, value in self.distributions.items():
            yield name, join(self.place, name), value
        for trial in self.trials:
            for name, value in trial.distributions.items():
                yield name, join(trial.place or self.place, name), value

    def origins(self) -> dict[str, tuple[str, object]]:
        """The path and the value of each parameter's first distribution."""
        origins: dict[str, tuple[str, object]] = {}
        for name, path, value in self.all_distributions():
            origins.setdefault(name, (path, value))
        return origins


def is_distribution(value: object) -> bool:
    """Whether a value is an Optuna distribution, or the JSON text of one."""
    kind, _ = _parts(value)
    return kind in (*FLOATS, *INTS, "CategoricalDistribution")


def is_unmistakable(value: object) -> bool:
    """Whether it names its class, which no other format's distributions do."""
    short = isinstance(value, Mapping) and "name" not in value
    return is_distribution(value) and not short


def unknown_fields(value: object) -> list[str]:
    """The fields that no distribution of Optuna has."""
    if isinstance(value, str):
        return []
    _, given = _parts(value)
    outer = value if isinstance(value, Mapping) and given is not value else {}
    known = ("type", "name") if given is value else ()
    return [
        *(key for key in outer if key not in ("name", "attributes")),
        *(key for key in given if key not in (*FIELDS, *known)),
    ]


def optuna_field_paths(value: object) -> dict[str, str]:
    """The fields of our distribution by their paths in one of Optuna's."""
    kind, given = _parts(value)
    if isinstance(value, str):
        return {}
    inside = "" if given is value else "attributes."
    step = "q" if kind == "DiscreteUniformDistribution" else "step"
    names = {"low": "low", "high": "high", "log": "log", "step": step}
    return {
        "values": f"{inside}choices",
        **{ours: f"{inside}{theirs}" for ours, theirs in names.items()},
    }


def distribution_of(value: object) -> JSONObject | None:
    """Our distribution for one of Optuna's; None for anything else."""
    kind, given = _parts(value)
    if kind == "CategoricalDistribution":
        choices = given.get("choices")
        is_list = isinstance(choices, list) and choices
        return {"type": "choice", "values": json_value(choices)} if is_list else None
    if kind not in FLOATS + INTS:
        return None
    low, high = given.get("low"), given.get("high")
    if not is_number(low) or not is_number(high):
        return None
    log = bool(given.get("log")) or "Log" in kind
    step = (
        given.get("q") if kind == "DiscreteUniformDistribution" else given.get("step")
    )
    return _range(kind in INTS, low, high, log, step if is_number(step) else None)


def merged(one: JSONObject, other: JSONObject) -> JSONObject | None:
    """A distribution that contains both; None if there is none."""
    if one == other:
        return one
    if one.get("type") != other.get("type") or one.get("type") == "choice":
        return None
    low, high = (
        choose(number for number in (one[key], other[key]) if is_number(number))
        for choose, key in ((min, "low"), (max, "high"))
    )
    return {**other, "low": low, "high": high}


def external(dist: JSONObject, value: object, choices: object) -> JSONValue:
    """A parameter's value from the number that Optuna stores for it."""
    if isinstance(choices, list):
        place = int(value) if is_number(value) else -1
        return json_value(choices[place]) if 0 <= place < len(choices) else None
    if not is_number(value):
        return json_value(value)
    if dist.get("type") == "int":
        return int(value)
    return snapped(dist, float(value))


def snapped(dist: JSONObject, value: float) -> float:
    """A value of a stepped range without rounding errors."""
    low, step = dist.get("low"), dist.get("step")
    if not is_number(low) or not is_number(step) or step <= 0:
        return value
    if not abs(value) <= MAX_SNAPPED:
        return value
    exact_low, exact_step = Fraction(repr(low)), Fraction(repr(step))
    return float(
        exact_low + round((Fraction(value) - exact_low) / exact_step) * exact_step
    )


def _range(
    whole: bool, low: float, high: float, log: bool, step: float | None
) -> JSONObject:
    if low == high and not whole:
        return {"type": "choice", "values": [low]}
    dist: JSONObject = {"type": "int" if whole else "float", "low": low, "high": high}
    if log:
        return {**dist, "log": True}
    if step is None or (whole and step == 1):
        return dist
    return {**dist, "step": step}


def _parts(value: object) -> tuple[str, Mapping[str, object]]:
    """The class and the attributes of a distribution in any notation."""
    if isinstance(value, str) and len(value) <= MAX_JSON_LENGTH:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return "", {}
    if not isinstance(value, Mapping):
        return "", {}
    name, attributes = value.get("name"), value.get("attributes")
    if isinstance(name, str) and isinstance(attributes, Mapping):
        return name, attributes
    kind = value.get("type")
    is_short = isinstance(kind, str) and ("choices" in value or "high" in value)
    return (SHORT.get(str(kind), ""), value) if is_short else ("", {})


@dataclass(frozen=True)
class Condition:
    """`name` has one of `values` exactly when the parameter has a value.

    No trial had the `untried` values; the choices in `others` are explanations too.
    """

    name: str
    values: tuple[JSONValue, ...]
    untried: tuple[JSONValue, ...] = ()
    others: tuple[str, ...] = ()


@dataclass
class _Presence:
    """Sets of trials as bits: those with a parameter, and those with each value."""

    trials: list[StudyTrial]
    distributions: Mapping[str, JSONObject]

    def __post_init__(self) -> None:
        self.having = {name: self._bits(name) for name in self.distributions}
        self.by_value = {
            name: self._values(name)
            for name, dist in self.distributions.items()
            if dist.get("type") == "choice"
        }
        self.checks = 0

    def explanations(self, name: str) -> Iterator[Condition]:
        """Every choice with some values exactly when `name` has a value."""
        wanted = self.having[name]
        for other, by_value in self.by_value.items():
            self.checks += len(by_value)
            if self.checks > MAX_CHECKS or other == name:
                continue
            having = self.having[other]
            inside = [key for key, bits in by_value.items() if bits & wanted == bits]
            covered = _union(by_value[key] for key in inside)
            if covered == wanted and covered != having and wanted & ~having == 0:
                values = tuple(json.loads(key) for key in inside)
                yield Condition(other, values, self._untried(other))

    def condition(self, name: str) -> Condition | None:
        """The explanation by the choice with the fewest values, the first of them."""
        found = sorted(
            self.explanations(name), key=lambda item: len(self.by_value[item.name])
        )
        if not found:
            return None
        first, *others = found
        names = tuple(item.name for item in others)
        return Condition(first.name, first.values, first.untried, names)

    def _untried(self, name: str) -> tuple[JSONValue, ...]:
        values = self.distributions[name].get("values")
        known = values if isinstance(values, list) else []
        seen = self.by_value[name]
        return tuple(value for value in known if json.dumps(value) not in seen)

    def _bits(self, name: str) -> int:
        return _union(
            1 << place
            for place, trial in enumerate(self.trials)
            if name in trial.params
        )

    def _values(self, name: str) -> dict[str, int]:
        """Sets of trials by a value's JSON, in the order of the trials."""
        found: dict[str, int] = {}
        for place, trial in enumerate(self.trials):
            if name in trial.params:
                key = json.dumps(trial.params[name])
                found[key] = found.get(key, 0) | 1 << place
        return found


def conditions_of(
    study: OptunaStudy,
    distributions: Mapping[str, JSONObject],
    called: Mapping[str, str],
    log: Log,
) -> dict[str, JSONObject]:
    """The condition (`when`) of each parameter with one, by its name in the study."""
    ended = [trial for trial in study.trials if trial.state in ENDED]
    presence = _Presence(ended, distributions)
    origins = study.origins()
    found: dict[str, JSONObject] = {}
    for name in distributions:
        number = presence.having[name].bit_count()
        if not 0 < number < len(ended):
            continue
        condition = presence.condition(name)
        said = f"{name} has a value in {number:,} of {counted(len(ended), 'trial')}"
        path = origins[name][0]
        if condition is None:
            log.changed(
                path,
                f"{said}; the study's code decides when. Here it always has one.",
                f"Add a condition as search_space.{called[name]}.when.",
            )
        else:
            found[name] = {called[condition.name]: list(condition.values)}
            log.changed(path, f"{said}: {_sentence(condition)}", _advice(condition))
    return found


def _sentence(condition: Condition) -> str:
    values = listed(map(shown, condition.values), last="or")
    return f"when {condition.name} is {values}. This becomes its condition."


def _advice(condition: Condition) -> str:
    """The alternatives that the trials allow."""
    said = []
    if condition.untried:
        values = listed(map(shown, condition.untried))
        said.append(f"No trial had {values} for {condition.name}.")
    if condition.others:
        said.append(f"{listed(condition.others[:5])} would explain it too.")
    return " ".join(said)


def _union(parts: Iterator[int]) -> int:
    whole = 0
    for part in parts:
        whole |= part
    return whole
