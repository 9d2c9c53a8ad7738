"""The form for one trial's values: a field for each parameter of the space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from experiments.models import Trial
from experiments.search.fields import DefinitionError, join, listed, shown
from experiments.search.space.choice import Choice
from experiments.search.space.conditions import dump_condition
from experiments.search.space.distribution import Distribution
from experiments.search.space.params import FIELD, text_of, values_of
from experiments.search.space.space import SearchSpace

PREFIX = "value:"
# Of longer choices only the first values are offered.
MAX_OFFERED = 100


@dataclass(frozen=True)
class HandField:
    """One parameter's field, ready to be drawn."""

    name: str
    html_name: str
    html_id: str
    text: str
    hint: str
    offered: Sequence[str]
    long: bool
    problems: Sequence[str] = ()


class HandForm:
    """The form for one trial: texts by parameter, and problems by path."""

    def __init__(self, space: SearchSpace, texts: Mapping[str, str]) -> None:
        self.space = space
        self.texts = texts
        self.problems: Mapping[str, Sequence[str]] = {}

    @classmethod
    def of(cls, space: SearchSpace, trial: Trial | None) -> HandForm:
        """Filled with the trial's values, or with the middle of every range."""
        params = trial.params if trial is not None else middle(space)
        return cls(space, {name: text_of(value) for name, value in params.items()})

    @classmethod
    def sent(cls, space: SearchSpace, data: QueryDict) -> HandForm:
        return cls(
            space, {name: data.get(PREFIX + name, "") for name in space.parameters}
        )

    @property
    def values(self) -> dict[str, object]:
        """The typed texts as values."""
        return values_of(self.space, self.texts)

    def refuse(self, error: DefinitionError) -> None:
        """Show the problems at their fields."""
        self.problems = error.by_path()

    @property
    def fields(self) -> list[HandField]:
        return [
            self._field(place, name, law)
            for place, (name, law) in enumerate(self.space.parameters.items())
        ]

    @property
    def other_problems(self) -> list[str]:
        """Problems without a field of their own."""
        shown_at = {join(FIELD, name) for name in self.space.parameters}
        others = (ss for path, ss in self.problems.items() if path not in shown_at)
        return [sentence for sentences in others for sentence in sentences]

    def _field(self, place: int, name: str, law: Distribution) -> HandField:
        return HandField(
            name=name,
            html_name=PREFIX + name,
            html_id=f"value-{place}",
            text=self.texts.get(name, ""),
            hint=self._hint(name, law),
            offered=_offered(law),
            long=isinstance(law, Choice) and bool(law.branches),
            problems=self.problems.get(join(FIELD, name), ()),
        )

    def _hint(self, name: str, law: Distribution) -> str:
        words = range_words(law)
        if name in self.space.conditions:
            needed = dump_condition(self.space.conditions[name])
            when = " and ".join(
                f"{other} is {listed(map(_plain, _list(values)), last='or')}"
                for other, values in needed.items()
            )
            words += f". Only when {when}, otherwise leave it empty"
        return words


def middle(space: SearchSpace) -> dict[str, Any]:
    """A configuration from the middle of every axis."""
    params = space.decode([0.5] * len(space.axes))
    return {name: _rounded(space.parameters[name], params[name]) for name in params}


def _rounded(law: Distribution, value: Any) -> Any:
    """The value with four digits, if the space has it."""
    short = float(f"{value:.4g}") if isinstance(value, float) else value
    return short if law.contains(short) else value


def range_words(law: Distribution) -> str:
    """The allowed values, such as ``uniform, 0 to 1`` or ``One of 16 or 32``."""
    if isinstance(law, Choice):
        if law.branches:
            return f"One of {shown(law.dump().get('values'), most=300)}"
        return f"One of {listed(map(_plain, law.distinct[:12]), last='or')}"
    low, high = law.quantile(0.0), law.quantile(1.0)
    ends = [_plain(end) for end in (low, high)]
    if "Infinity" in "".join(ends):
        return law.kind
    return f"{law.kind}, {ends[0]} to {ends[1]}"


def _list(values: object) -> list[object]:
    return values if isinstance(values, list) else [values]


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return text_of(value)


def _offered(law: Distribution) -> list[str]:
    if not isinstance(law, Choice):
        return []
    return [text_of(value) for value in law.distinct[:MAX_OFFERED]]
