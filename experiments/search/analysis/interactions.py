"""Pairs of parameters that do together what neither does alone.

Values are averaged in a grid of cells. What the cells explain beyond the sum of both
parameters' own effects is the interaction (two-way analysis of variance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy

from experiments.search.analysis.factors import Factor, Floats, Integers

# For each pair a grid of at most 4 by 4 cells, with a few trials in each.
BANDS = 4
MIN_TRIALS = 80
MIN_IN_CELL = 3
# More parameters than this make too many pairs.
MAX_FACTORS = 8
SIGNIFICANCE = 0.05
# Less than this of the spread is nothing to act on.
MIN_SHARE = 0.01
# The worst losses are often extreme, and would hide all else.
WORST = 0.9


@dataclass(frozen=True)
class Interaction:
    """``share`` of the spread of values that the pair explains beyond both alone."""

    x: str
    y: str
    share: float
    told_apart: bool


def interactions(factors: Sequence[Factor], losses: Floats) -> list[Interaction]:
    """Greatest first; none with fewer than MIN_TRIALS finite losses."""
    counted = np.isfinite(losses)
    if counted.sum() < MIN_TRIALS:
        return []
    known = losses[counted]
    known = np.minimum(known, np.quantile(known, WORST))
    bands = {f.name: _bands(f)[counted] for f in factors[:MAX_FACTORS] if f.varies}
    pairs = list(combinations(bands, 2))
    found = []
    for x, y in pairs:
        tested = _tested(bands[x], bands[y], known)
        if tested is not None:
            share, chance = tested
            apart = chance < SIGNIFICANCE / len(pairs) and share > MIN_SHARE
            found.append(Interaction(x, y, share, apart))
    return sorted(found, key=lambda pair: -pair.share)


def _bands(factor: Factor) -> Integers:
    """Few cells with about as many trials in each; -1 where it is not set."""
    if factor.choices or factor.size <= BANDS:
        return factor.cells
    values = factor.values
    ends = np.quantile(values[factor.is_set], np.linspace(0, 1, BANDS + 1)[1:-1])
    bands = np.searchsorted(ends, values, side="right")
    return np.where(factor.is_set, bands, -1)


@dataclass(frozen=True)
class _Grid:
    """The cells that have enough trials: their bands, trials, means, and the spread of
    losses in all and within cells."""

    x: Integers
    y: Integers
    counts: Integers
    means: Floats
    total: float
    within: float


def _grid(x: Integers, y: Integers, losses: Floats) -> _Grid:
    both = (x >= 0) & (y >= 0)
    rows = int(y.max(initial=0)) + 1
    cell = x[both] * rows + y[both]
    counts = np.bincount(cell)
    kept = counts[cell] >= MIN_IN_CELL
    cell, losses = cell[kept], losses[both][kept]
    names, place = np.unique(cell, return_inverse=True)
    counts = np.bincount(place, minlength=len(names))
    means = np.bincount(place, losses, minlength=len(names)) / counts
    total = float(losses.var() * len(losses)) if len(losses) else 0.0
    within = float(((losses - means[place]) ** 2).sum())
    return _Grid(names // rows, names % rows, counts, means, total, within)


def _tested(x: Integers, y: Integers, losses: Floats) -> tuple[float, float] | None:
    """The share of the spread that the interaction explains, and how likely chance
    alone explains as much (an F test)."""
    grid = _grid(x, y, losses)
    # Both alone: least squares on the cells' means, weighted by their trials.
    design, weights = _dummies(grid.x, grid.y), np.sqrt(grid.counts)
    if not design.size:
        return None
    effects, _, rank, _ = np.linalg.lstsq(
        design * weights[:, None], grid.means * weights, rcond=None
    )
    beyond = float((grid.counts * (grid.means - design @ effects) ** 2).sum())
    freedom = len(grid.means) - int(rank)
    left = int(grid.counts.sum()) - len(grid.means)
    if freedom < 1 or left < 1 or grid.within <= 0:
        return None
    noise = grid.within / left
    chance = float(scipy.special.fdtrc(freedom, left, beyond / freedom / noise))
    return max(0.0, (beyond - freedom * noise) / grid.total), chance


def _dummies(x: Integers, y: Integers) -> Floats:
    """A column for each band of both."""
    columns = [each == band for each in (x, y) for band in np.unique(each)]
    return np.array(columns, np.float64).T
