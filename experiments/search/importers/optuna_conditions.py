"""When a parameter of a study has a value: told from the trials that have ended.

In a study it is the code that decides which parameters a trial asks for. Where one
choice explains it exactly, in every trial, that becomes the parameter's condition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments.search.figures import counted
from experiments.search.importers.optuna_laws import Law
from experiments.search.importers.optuna_study import OptunaStudy, StudyTrial
from experiments.search.importers.source import Log
from experiments.search.problems import listed, shown
from experiments.search.records import JSONValue

# Of failed trials nobody knows what they would still have asked for.
ENDED = ("COMPLETE", "PRUNED")
# Pairs of a parameter and another's value that are looked at.
MOST_LOOKS = 200_000


@dataclass(frozen=True)
class Condition:
    """`name` has one of `values` whenever the parameter is there.

    `untried` are values that no trial had; `others` explain it as well.
    """

    name: str
    values: tuple[JSONValue, ...]
    untried: tuple[JSONValue, ...] = ()
    others: tuple[str, ...] = ()


@dataclass
class _Presence:
    """Sets of trials as bits: those with a parameter, and with each of its values."""

    trials: list[StudyTrial]
    laws: Mapping[str, Law]

    def __post_init__(self) -> None:
        self.having = {name: self._bits(name) for name in self.laws}
        self.by_value = {
            name: self._values(name)
            for name, law in self.laws.items()
            if law.get("type") == "choice"
        }
        self.looks = 0

    def explanations(self, name: str) -> Iterator[Condition]:
        """Every choice that is there with some values exactly when `name` is."""
        wanted = self.having[name]
        for other, by_value in self.by_value.items():
            self.looks += len(by_value)
            if self.looks > MOST_LOOKS or other == name:
                continue
            having = self.having[other]
            inside = [key for key, bits in by_value.items() if bits & wanted == bits]
            covered = _union(by_value[key] for key in inside)
            if covered == wanted and covered != having and wanted & ~having == 0:
                values = tuple(json.loads(key) for key in inside)
                yield Condition(other, values, self._untried(other))

    def condition(self, name: str) -> Condition | None:
        """The explanation by the choice of fewest values, the first of these."""
        found = sorted(
            self.explanations(name), key=lambda item: len(self.by_value[item.name])
        )
        if not found:
            return None
        first, *others = found
        names = tuple(item.name for item in others)
        return Condition(first.name, first.values, first.untried, names)

    def _untried(self, name: str) -> tuple[JSONValue, ...]:
        values = self.laws[name].get("values")
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
        """By a value's JSON, in the order in which they were tried."""
        found: dict[str, int] = {}
        for place, trial in enumerate(self.trials):
            if name in trial.params:
                key = json.dumps(trial.params[name])
                found[key] = found.get(key, 0) | 1 << place
        return found


def conditions_of(
    study: OptunaStudy, laws: Mapping[str, Law], called: Mapping[str, str], log: Log
) -> dict[str, dict[str, JSONValue]]:
    """`when` of each parameter that has one, by its name in the study."""
    ended = [trial for trial in study.trials if trial.state in ENDED]
    presence = _Presence(ended, laws)
    origins = study.origins()
    found: dict[str, dict[str, JSONValue]] = {}
    for name in laws:
        number = presence.having[name].bit_count()
        if not 0 < number < len(ended):
            continue
        condition = presence.condition(name)
        said = f"{name} has a value in {number:,} of {counted(len(ended), 'trial')}"
        path = origins[name][0]
        if condition is None:
            log.changed(
                path,
                f"{said}: the study's code decides when. Here it always has one.",
                f"Say when in search_space.{called[name]}.when.",
            )
        else:
            found[name] = {called[condition.name]: list(condition.values)}
            log.changed(path, f"{said}: {_words(condition)}", _advice(condition))
    return found


def _words(condition: Condition) -> str:
    values = listed(map(shown, condition.values), last="or")
    return f"whenever {condition.name} is {values}. That becomes its condition."


def _advice(condition: Condition) -> str:
    """What the trials leave open."""
    said = []
    if condition.untried:
        values = listed(map(shown, condition.untried))
        said.append(f"No trial had {values} for {condition.name}.")
    if condition.others:
        said.append(f"{listed(condition.others[:5])} would explain it as well.")
    return " ".join(said)


def _union(parts: Iterator[int]) -> int:
    whole = 0
    for part in parts:
        whole |= part
    return whole
