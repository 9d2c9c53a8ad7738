"""What a space will give, before it is run: real draws, for pictures and examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.search.command import value_text
from experiments.search.distributions import (
    Choice,
    Distribution,
    FloatRange,
    IntRange,
    Logarithmic,
)
from experiments.search.draws import Column, drawn_columns
from experiments.search.fields import is_number
from experiments.search.figures import significant
from experiments.search.records import JSONValue
from experiments.search.samplers import Sampler
from experiments.search.space import SearchSpace
from experiments.search.values import identity

DRAWS = 2000
BINS = 24
Numbers = NDArray[np.float64]

# Half of the largest float: the width of a range must be one too.
MOST_DRAWN = 8e307


@dataclass(frozen=True)
class Histogram:
    """Counts of draws: one bar for a value, or for a bin of equal width.

    `labels` has one text for a bar of values, and the two ends for bins; `scale` says
    what the bins' widths are equal in; `edges` are the bins' borders, empty for values.
    Texts of which there are more than bars are counted for the first ones only. `share`
    is the part of all draws in which the parameter was active, and `drawn` their
    number: the others are not counted.
    """

    scale: Literal["values", "linear", "log"]
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    share: float = 1.0
    drawn: int = 0

    def dump(self) -> dict[str, JSONValue]:
        """The histogram as JSON."""
        return {
            "scale": self.scale,
            "labels": list(self.labels),
            "counts": list(self.counts),
            "edges": list(self.edges),
            "share": self.share,
            "drawn": self.drawn,
        }


def histogram(
    distribution: Distribution, *, seed: int = 0, draws: int = DRAWS, bins: int = BINS
) -> Histogram:
    """So many draws from a distribution, counted by value or in bins."""
    space = SearchSpace({"value": distribution})
    return space_histograms(space, seed=seed, draws=draws, bins=bins)["value"]


def space_histograms(
    space: SearchSpace, *, seed: int = 0, draws: int = DRAWS, bins: int = BINS
) -> dict[str, Histogram]:
    """A histogram for every axis of a space, over the draws in which it is active.

    The draws are those of the space as a whole: its constraints are met.
    """
    number, columns = drawn_columns(space, np.random.default_rng(seed), draws)
    pictures = {}
    for (name, axis), column in zip(space.axes.items(), columns, strict=True):
        picture = _counted(axis.law, column, bins)
        share = len(column) / number
        pictures[name] = replace(picture, share=share, drawn=len(column))
    return pictures


def sampled_configurations(sampler: Sampler, number: int) -> list[dict[str, JSONValue]]:
    """The first configurations that a sampler gives while nothing has run yet."""
    suggestions = (sampler.suggest(index) for index in range(number))
    return [dict(found.params) for found in suggestions if found is not None]


def _counted(distribution: Distribution, column: Column, bins: int) -> Histogram:
    count = distribution.count()
    if column.digits is None or count is None:
        return _of_numbers(np.array(column.numbers), distribution, bins)
    if count <= bins:
        return _of_values(distribution, column.digits, count)
    found, times = np.unique(column.digits, return_counts=True)
    values = [distribution.at(digit) for digit in found.tolist()]
    if all(is_number(value) for value in values):
        numbers = np.repeat(np.array(values, np.float64), times)
        return _of_numbers(numbers, distribution, bins)
    return _of_values(distribution, column.digits, bins)


def _of_values(
    distribution: Distribution, digits: NDArray[np.int64], bars: int
) -> Histogram:
    counts = np.bincount(digits[digits < bars], minlength=bars)
    return Histogram(
        scale="values",
        labels=tuple(_label(distribution, index) for index in range(bars)),
        counts=tuple(counts.tolist()),
    )


def _label(distribution: Distribution, digit: int) -> str:
    """A value as text; of a branch its constants, with what it draws left open."""
    value = distribution.at(digit)
    branches = distribution.branches if isinstance(distribution, Choice) else {}
    branch = branches.get(identity(value)) if branches else None
    if branch is None:
        return value_text(value)
    entries = (
        f"{name}: {value_text(branch.constants[name])}"
        if name in branch.constants
        else f"{name}: …"
        for name in branch.entries
    )
    return f"{{{', '.join(entries)}}}"


def _of_numbers(numbers: Numbers, distribution: Distribution, bins: int) -> Histogram:
    """Bars of equal width; one bar where floats have no room for more."""
    if not len(numbers):
        return Histogram(scale="linear", labels=(), counts=())
    numbers = np.clip(numbers, -MOST_DRAWN, MOST_DRAWN)
    log = _is_logarithmic(distribution) and bool(numbers.min() > 0)
    drawn = np.log(numbers) if log else numbers
    low, high = _spread(float(drawn.min()), float(drawn.max()))
    room = len(set(np.linspace(low, high, bins + 1))) == bins + 1
    counts, edges = np.histogram(drawn, bins if room else 1, range=(low, high))
    borders = np.clip(np.exp(edges), 0, MOST_DRAWN) if log else edges
    return Histogram(
        scale="log" if log else "linear",
        labels=(significant(numbers.min()), significant(numbers.max())),
        counts=tuple(counts.tolist()),
        edges=tuple(borders.tolist()),
    )


def _spread(low: float, high: float) -> tuple[float, float]:
    """The ends of the picture; one value alone stands in the middle of it."""
    if low < high:
        return low, high
    half = max(0.5, abs(low) * 1e-6)
    return low - half, high + half


def _is_logarithmic(distribution: Distribution) -> bool:
    if isinstance(distribution, FloatRange | IntRange):
        return distribution.log
    return isinstance(distribution, Logarithmic)
