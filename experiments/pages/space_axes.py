"""A search space as the axes of parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

from experiments.pages.sweep.trial_cells import is_number
from experiments.search import axes
from experiments.search.choice import Choice
from experiments.search.distribution import Distribution
from experiments.search.distributions import Logarithmic
from experiments.search.space import SearchSpace
from experiments.spaces import axis_values

# More values than this are drawn as numbers along an axis rather than as bands.
MOST_BANDS = 12


class Axis(TypedDict):
    """``low`` and ``high`` are null where the law has no end; values then decide."""

    name: str
    kind: str
    log: bool
    low: float | None
    high: float | None
    values: list[Any]


def space_axes(space: SearchSpace, earlier: Iterable[SearchSpace] = ()) -> list[Axis]:
    """One axis for each parameter, in document order, after a nested choice those
    of its branches.

    An axis is long enough for the values of spaces that the sweep had earlier; what
    only these have comes last.
    """
    found = {name: _axis(name, axis) for name, axis in space.axes.items()}
    for other in earlier:
        for name, axis in other.axes.items():
            old = _axis(name, axis)
            found[name] = _joined(found[name], old) if name in found else old
    return list(found.values())


def _joined(new: Axis, old: Axis) -> Axis:
    """The new axis with room for what the old one had, where both are of a kind."""
    if new["kind"] != old["kind"]:
        return new
    more = [value for value in old["values"] if value not in new["values"]]
    return Axis(
        name=new["name"],
        kind=new["kind"],
        log=new["log"] and old["log"],
        low=_outer(min, new["low"], old["low"]),
        high=_outer(max, new["high"], old["high"]),
        values=[*new["values"], *more],
    )


def _outer(
    end: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    return None if one is None or other is None else end(one, other)


def _axis(name: str, axis: axes.Axis) -> Axis:
    law = axis.law
    if isinstance(law, Choice) and not _is_long_scale(law):
        values = axis_values(axis)
        return Axis(
            name=name, kind="choice", log=False, low=None, high=None, values=values
        )
    low, high = _ends(law)
    return Axis(
        name=name, kind="number", log=_is_log(law), low=low, high=high, values=[]
    )


def _is_long_scale(law: Choice) -> bool:
    return len(law.distinct) > MOST_BANDS and all(map(is_number, law.distinct))


def _is_log(law: Distribution) -> bool:
    return isinstance(law, Logarithmic) or bool(getattr(law, "log", False))


def _ends(law: Distribution) -> tuple[float | None, float | None]:
    if isinstance(law, Choice):
        numbers = [float(v) for v in law.distinct if isinstance(v, int | float)]
        return min(numbers), max(numbers)
    plain = getattr(law, "law", None)
    source = law if hasattr(law, "low") else plain
    low, high = getattr(source, "low", None), getattr(source, "high", None)
    if low is None and hasattr(law, "upper"):
        low, high = 0, law.upper - 1
    return _finite(low), _finite(high)


def _finite(number: float | None) -> float | None:
    return None if number is None or math.isinf(number) else number
