"""Draws from a space before it runs, as examples and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.search.document.command import value_text
from experiments.search.fields import cut, is_number
from experiments.search.records import JSONValue
from experiments.search.samplers import Sampler
from experiments.search.space.choice import Choice
from experiments.search.space.conditions import Axis, Mask
from experiments.search.space.distribution import Distribution, identity
from experiments.search.space.row_filters import INACTIVE
from experiments.search.space.sampling import MAX_WORK, Batch
from experiments.search.space.space import SearchSpace
from experiments.search.wording import distinct_texts, significant

# Draws that may be rejected for each wanted one.
MAX_REJECTED = 10


@dataclass(frozen=True)
class AxisDraws:
    """The values of an axis in the draws in which it was active.

    The values' digits if the axis has finitely many, else `numbers`.
    """

    digits: NDArray[np.int64] | None
    numbers: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.numbers) if self.digits is None else len(self.digits)


def drawn_columns(
    space: SearchSpace, rng: np.random.Generator, most: int
) -> tuple[int, list[AxisDraws]]:
    """The number of draws, and those of every axis in the order of `space.axes`.

    All meet the constraints. There are fewer than `most`, but at least one, if most
    draws are rejected.
    """
    if space.constraints and space.is_finite and space.finite.rows is not None:
        return most, _listed(space, rng, most)
    return _drawn(space, rng, most)


def _listed(
    space: SearchSpace, rng: np.random.Generator, number: int
) -> list[AxisDraws]:
    """Draws from the list of all configurations."""
    rows = space.finite.drawn_rows(rng, number)
    places = {axis.name: place for place, axis in enumerate(space.layout.order)}
    digits = [rows[:, places[name]] for name in space.axes]
    return [AxisDraws(found[found != INACTIVE]) for found in digits]


def _drawn(
    space: SearchSpace, rng: np.random.Generator, most: int
) -> tuple[int, list[AxisDraws]]:
    batches: list[Batch] = []
    kept: list[Mask] = []
    found, mark = 0, space.rejection.work
    for size in space.rejection.sizes(most * MAX_REJECTED, first=most):
        batches.append(Batch(space.layout, rng.random((size, len(space.axes)))))
        mask = space.rejection.meeting(batches[-1])
        # The last batch may have more than are needed.
        mask[np.flatnonzero(mask)[most - found :]] = False
        kept.append(mask)
        found += int(mask.sum())
        if found == most or space.rejection.work - mark > MAX_WORK // 4:
            break
    if not found:
        point = space.encode(space.sample(rng))
        batches, kept, found = [Batch(space.layout, point[None])], [np.array([True])], 1
    return found, [_column(axis, batches, kept) for axis in space.axes.values()]


def _column(axis: Axis, batches: Sequence[Batch], kept: Sequence[Mask]) -> AxisDraws:
    pairs = list(zip(batches, kept, strict=True))
    masks = [(batch, batch.active(axis) & mask) for batch, mask in pairs]
    if axis.distribution.partition is not None:
        digits = [batch.digits(axis)[mask] for batch, mask in masks]  # type: ignore[index]
        return AxisDraws(np.concatenate(digits))
    numbers: list[float] = []
    for batch, mask in masks:
        numbers += compress(batch.values(axis), mask)  # type: ignore[arg-type]
    return AxisDraws(None, numbers)


DRAWS = 2000
BINS = 24
# Of a distribution with more values no value is looked at singly.
MAX_STEPS = 5_000
Numbers = NDArray[np.float64]

# Half of the largest float, so that the width of a range is also a float.
MAX_DRAWN = 8e307


@dataclass(frozen=True)
class Histogram:
    """Counts of draws: one bar for each value, or for each bin.

    `labels` has one text for each value, or the two ends for bins; `scale` is the scale
    on which bins have equal width, or nearly: bins of stepped numbers begin and end
    halfway between two numbers. `edges` are the bins' borders, empty for values.
    If there are more values than bars, only the first ones are counted. `share` is the
    share of draws in which the parameter was active, and `drawn` their number.
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
    """Draws from a distribution, counted by value or in bins."""
    space = SearchSpace({"value": distribution})
    return space_histograms(space, seed=seed, draws=draws, bins=bins)["value"]


def space_histograms(
    space: SearchSpace, *, seed: int = 0, draws: int = DRAWS, bins: int = BINS
) -> dict[str, Histogram]:
    """A histogram for every axis of a space, over the draws in which it is active.

    The draws meet the space's constraints.
    """
    number, columns = drawn_columns(space, np.random.default_rng(seed), draws)
    pictures = {}
    for (name, axis), column in zip(space.axes.items(), columns, strict=True):
        picture = _counted(axis.distribution, column, bins)
        share = len(column) / number
        pictures[name] = replace(picture, share=share, drawn=len(column))
    return pictures


def sampled_configurations(sampler: Sampler, number: int) -> list[dict[str, JSONValue]]:
    """The first configurations of a sampler, without results."""
    suggestions = (sampler.suggest(index) for index in range(number))
    return [dict(found.params) for found in suggestions if found is not None]


def _counted(distribution: Distribution, column: AxisDraws, bins: int) -> Histogram:
    count = distribution.count()
    if column.digits is None or count is None:
        return _of_numbers(np.array(column.numbers), distribution, bins)
    if count <= bins:
        return _of_values(distribution, column.digits, count)
    found, times = np.unique(column.digits, return_counts=True)
    values = [distribution.at(digit) for digit in found.tolist()]
    if not all(is_number(value) for value in values):
        return _of_values(distribution, column.digits, bins)
    numbers = np.repeat(np.array(values, np.float64), times)
    return _of_numbers(numbers, distribution, bins, _steps(distribution, count))


def _steps(distribution: Distribution, count: int) -> Numbers | None:
    """All numbers of a distribution in order; None for too many, or other values."""
    if count > MAX_STEPS:
        return None
    values = [distribution.at(index) for index in range(count)]
    if not all(is_number(value) for value in values):
        return None
    steps = np.unique(np.clip(np.array(values, np.float64), -MAX_DRAWN, MAX_DRAWN))
    is_log = distribution.is_logarithmic and steps[0] <= 0
    return None if is_log or len(steps) < 2 else steps


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
    """A value as text; a branch shows its constants, and … for what it draws."""
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


def _of_numbers(
    numbers: Numbers,
    distribution: Distribution,
    bins: int,
    steps: Numbers | None = None,
) -> Histogram:
    """Bars of equal width; one bar if floats have no room for more.

    With `steps`, all values that there are, every bar begins and ends halfway between
    two of them, so that bars differ in width.
    """
    if not len(numbers):
        return Histogram(scale="linear", labels=(), counts=())
    numbers = np.clip(numbers, -MAX_DRAWN, MAX_DRAWN)
    log = distribution.is_logarithmic and bool(numbers.min() > 0)
    drawn = np.log(numbers) if log else numbers
    low, high = _spread(float(drawn.min()), float(drawn.max()))
    borders = np.linspace(low, high, bins + 1)
    if len(set(borders)) <= bins:
        borders = np.array([low, high])
    if steps is not None:
        borders = _between_steps(steps, bins, log=log)
    counts, edges = np.histogram(drawn, borders)
    ends = np.clip(np.exp(edges), 0, MAX_DRAWN) if log else edges
    return Histogram(
        scale="log" if log else "linear",
        labels=(significant(numbers.min()), significant(numbers.max())),
        counts=tuple(counts.tolist()),
        edges=tuple(ends.tolist()),
    )


def _between_steps(steps: Numbers, bins: int, *, log: bool) -> Numbers:
    """Borders halfway between two steps, those nearest to borders of equal distance."""
    ends = np.clip(1.5 * steps[[0, -1]] - 0.5 * steps[[1, -2]], -MAX_DRAWN, MAX_DRAWN)
    halfway = steps[:-1] / 2 + steps[1:] / 2
    borders = np.concatenate([ends[:1], halfway, ends[1:]])
    if log:
        borders = np.log(borders)
    wanted = np.linspace(borders[0], borders[-1], bins + 1)
    places = np.clip(np.searchsorted(borders, wanted), 1, len(borders) - 1)
    below = wanted - borders[places - 1] < borders[places] - wanted
    return np.unique(borders[places - below])


def _spread(low: float, high: float) -> tuple[float, float]:
    """The ends of the histogram; a single value is in its middle."""
    if low < high:
        return low, high
    half = max(0.5, abs(low) * 1e-6)
    return low - half, high + half


# Bars for each parameter in a terminal.
BARS = 10
WIDTH = 30
MAX_LABEL_LENGTH = 32
BAR = "="


def histogram_lines(pictures: Mapping[str, Histogram]) -> list[str]:
    """Text for a terminal: each parameter, with a line for each value or range."""
    return [line for name in pictures for line in _lines(name, pictures[name])]


def _lines(name: str, picture: Histogram) -> list[str]:
    heads = [name]
    if picture.scale == "log":
        heads.append("log scale")
    if picture.share < 1:
        heads.append(f"set in {_percent(picture.share)} of all configurations")
    rows = list(zip(_labels(picture), picture.counts, strict=True))
    others = picture.drawn - sum(picture.counts)
    if others:
        rows.append(("other values", others))
    wide = max((len(label) for label, _ in rows), default=0)
    most = max(picture.counts, default=0) or 1
    found = [", ".join(heads)]
    for label, count in rows:
        share = _percent(count / (picture.drawn or 1))
        bar = BAR * min(WIDTH, -(-WIDTH * count // most))
        found.append(f"  {label:<{wide}}  {share:>6}  {bar}".rstrip())
    return found


def _labels(picture: Histogram) -> list[str]:
    if picture.scale == "values":
        return [_one_line(label) for label in picture.labels]
    edges = picture.edges
    pairs = [distinct_texts(*edges[at : at + 2]) for at in range(len(edges) - 1)]
    return [f"{low} to {high}" for low, high in pairs]


def _one_line(text: str) -> str:
    """A value's text on one short line, without characters that move the cursor."""
    line = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
    return cut(line, most=MAX_LABEL_LENGTH)


def _percent(share: float) -> str:
    """Such as `12.5 %`; a small share is never 0."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{100 * share:.1f} %"
