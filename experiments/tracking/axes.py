"""The axes of a sweep's parameters, for tables and charts: ranges and choices."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from experiments.models import Sweep
from experiments.search.fields import is_number
from experiments.search.space import conditions
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import GaussianDistribution, Logarithmic
from experiments.search.space.distribution import Distribution
from experiments.search.space.space import SearchSpace
from experiments.tracking.spaces import axis_values, earlier_spaces, search_space

# More values than this have no dots.
MAX_DOTS = 12


@dataclass(frozen=True)
class ParameterAxis:
    """One parameter's range: numbers, or choices. Not ``bounded``: it has no ends, and
    most values are between ``low`` and ``high``."""

    name: str
    choices: Sequence[Any] = ()
    low: float = 0.0
    high: float = 1.0
    bounded: bool = True
    log: bool = False
    step: float | None = None

    def place(self, value: Any) -> float | None:
        """The value's place from 0 to 1; None if it is not on the axis."""
        if self.choices:
            return _index(self.choices, value)
        if not is_number(value) or (self.log and value <= 0):
            return None
        low, high, at = map(self._unit, (self.low, self.high, value))
        return 0.5 if high == low else min(1.0, max(0.0, (at - low) / (high - low)))

    @property
    def dots(self) -> Sequence[float]:
        """The places of all values, if there are few."""
        if self.choices:
            count = len(self.choices)
            few = count <= MAX_DOTS
            return [_spread(index, count) for index in range(count)] if few else ()
        if not self.step or (self.high - self.low) / self.step > MAX_DOTS - 1:
            return ()
        count = round((self.high - self.low) / self.step)
        places = (self.place(self.low + k * self.step) for k in range(count + 1))
        return [place for place in places if place is not None]

    def _unit(self, value: float) -> float:
        return math.log(value) if self.log else value


# The value of a parameter that is not set in a trial.
UNSET = object()


def same_value(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, their types included, or both are UNSET."""
    if one is UNSET or other is UNSET:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _index(choices: Sequence[Any], value: Any) -> float | None:
    for index, choice in enumerate(choices):
        if same_value(choice, value):
            return _spread(index, len(choices))
    return None


def _spread(index: int, count: int) -> float:
    return (index + 0.5) / count


def axes_of(sweep: Sweep | None) -> dict[str, ParameterAxis]:
    """The axes of a sweep's parameters by name; none for an unreadable document."""
    return axes_in(search_space(sweep), earlier_spaces(sweep))


def axes_in(
    space: SearchSpace, earlier: Iterable[SearchSpace] = ()
) -> dict[str, ParameterAxis]:
    """In document order, with room for the values of ``earlier`` spaces; parameters
    that only these have come last."""
    found = {name: _axis(name, axis) for name, axis in space.axes.items()}
    for other in earlier:
        for name, axis in other.axes.items():
            old = _axis(name, axis)
            found[name] = _joined(found[name], old) if name in found else old
    return found


def _joined(new: ParameterAxis, old: ParameterAxis) -> ParameterAxis:
    """The new axis with room for the values of the old one, if both are of a kind."""
    if bool(new.choices) != bool(old.choices):
        return new
    more = [each for each in old.choices if _index(new.choices, each) is None]
    return replace(
        new,
        choices=[*new.choices, *more],
        low=min(new.low, old.low),
        high=max(new.high, old.high),
        bounded=new.bounded and old.bounded,
        log=new.log and old.log,
        step=new.step if new.step == old.step else None,
    )


def _axis(name: str, axis: conditions.Axis) -> ParameterAxis:
    drawn = axis.distribution
    if isinstance(drawn, Choice):
        return ParameterAxis(name, choices=axis_values(axis))
    bounded = not isinstance(drawn, GaussianDistribution)
    tail = 0.0 if bounded else 0.001
    log = isinstance(drawn, Logarithmic) or bool(getattr(drawn, "log", False))
    low, high = drawn.quantile(tail), drawn.quantile(1 - tail)
    whole = isinstance(low, int) and isinstance(high, int)
    return ParameterAxis(
        name,
        low=float(low) if isinstance(low, int | float) else 0.0,
        high=float(high) if isinstance(high, int | float) else 1.0,
        bounded=bounded,
        log=log and isinstance(low, int | float) and low > 0,
        step=_step(drawn) or (1.0 if whole else None),
    )


def _step(drawn: Distribution) -> float | None:
    step = getattr(drawn, "step", None) or getattr(drawn, "q", None)
    return float(step) if step else None


# More numbers than this are drawn as an axis of numbers, not as bands.
MAX_BANDS = 12


class ChartAxis(TypedDict):
    """``low`` and ``high`` are null where the range has no ends."""

    name: str
    kind: str
    log: bool
    low: float | None
    high: float | None
    values: list[Any]


def space_axes(
    space: SearchSpace, earlier: Iterable[SearchSpace] = ()
) -> list[ChartAxis]:
    """The axes of parallel coordinates, with room for the values of earlier spaces."""
    return [chart_axis(axis) for axis in axes_in(space, earlier).values()]


def chart_axis(axis: ParameterAxis) -> ChartAxis:
    """The axis as charts draw it."""
    values = list(axis.choices)
    low, high = (axis.low, axis.high) if axis.bounded else (None, None)
    if len(values) > MAX_BANDS and all(map(is_number, values)):
        low, high, values = min(values), max(values), []
    kind = "choice" if values else "number"
    if values:
        low = high = None
    return ChartAxis(
        name=axis.name, kind=kind, log=axis.log, low=low, high=high, values=values
    )
