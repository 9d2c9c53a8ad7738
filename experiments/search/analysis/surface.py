"""Losses over two parameters, smoothed; nothing where there are no trials."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from experiments.search.analysis.factors import Factor, Floats, Integers, Mask

MIN_TRIALS = 10
# Cells along an axis of numbers.
CELLS = 40
# Cells with less weight than that of one trial two widths away are left empty.
MIN_WEIGHT = math.exp(-2.0)
# The worst losses are often extreme, and would hide all else.
WORST = 0.95


@dataclass(frozen=True)
class Surface:
    """``losses`` by row (y) and column (x), NaN where no trial is near."""

    losses: Floats
    trials: int


def surface(x: Factor, y: Factor, losses: Floats) -> Surface | None:
    """None with fewer than MIN_TRIALS trials that have both parameters and a loss."""
    used = np.isfinite(losses) & x.is_set & y.is_set
    count = int(used.sum())
    if count < MIN_TRIALS or not (x.varies and y.varies):
        return None
    known = np.minimum(losses[used], np.quantile(losses[used], WORST))
    columns, rows = _cells(x, used), _cells(y, used)
    shape = (_size(y), _size(x))
    place = rows * shape[1] + columns
    weights = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.bincount(place, known, minlength=shape[0] * shape[1]).reshape(shape)
    across, up = _spread(x, shape[1], count), _spread(y, shape[0], count)
    mass, total = up @ weights @ across.T, up @ sums @ across.T
    near = mass >= MIN_WEIGHT
    with np.errstate(invalid="ignore", divide="ignore"):
        return Surface(np.where(near, total / mass, np.nan), count)


def _size(factor: Factor) -> int:
    return factor.choices or CELLS


def _cells(factor: Factor, used: Mask) -> Integers:
    if factor.choices:
        return factor.cells[used]
    return np.minimum((factor.places[used] * CELLS).astype(np.int64), CELLS - 1)


def _spread(factor: Factor, size: int, count: int) -> Floats:
    """How much a trial in one cell counts in each other one: 1 in its own."""
    if factor.choices:
        return np.eye(size)
    places = (np.arange(size) + 0.5) / size
    width = min(0.15, max(0.03, 0.4 * count ** (-1 / 6) / 1.5))
    apart = (places[:, None] - places[None, :]) / width
    spread: Floats = np.exp(-0.5 * apart**2)
    return spread


def levels(low: float, high: float, *, most: int = 8) -> list[float]:
    """Round values inside a range: steps of 1, 2 or 5."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]
