"""The outcomes of trials for a model: one number each, and its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.search.gp.kernel import Reals
from experiments.search.history import COMPLETED, FAILED, PENDING, History

# Bad outcomes are cut off this many interquartile ranges above the median.
CUT = 2.0
# The worst quantile of the other trials for a trial that was cut short.
WORST_OF_CUT_SHORT = 0.9


@dataclass(frozen=True)
class Outcomes:
    """The trials with an outcome, by their rows in the history.

    `values` are standardized LOSSES, `extra` the variance of each beyond the common
    noise, in the same units. `location` and `scale` convert them back. `pending` are
    the rows without an outcome yet; `finite` counts the trials with a value. `found`
    and `spread` are what `values` and `extra` are made from.
    """

    rows: NDArray[np.int64]
    values: Reals
    extra: Reals
    pending: NDArray[np.int64]
    finite: int
    found: Reals
    spread: Reals
    location: float = 0.0
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> Outcomes:
        """Those of the first trials, standardized alone."""
        return _standardized(
            self.rows[:count],
            self.found[:count],
            self.spread[:count],
            self.pending,
            self.finite,
        )

    def losses(self, values: Reals) -> Reals:
        """Standardized values as losses."""
        found: Reals = self.location + self.scale * values
        return found

    def standardized(self, losses: Reals) -> Reals:
        """Losses as standardized values; infinity stays infinity."""
        with np.errstate(over="ignore"):
            found: Reals = (losses - self.location) / self.scale
        return found


def outcomes_of(history: History) -> Outcomes:
    """The outcomes of a history.

    A completed trial counts with its loss. A running one, or one that was cut short,
    counts with its expected loss and the variance of that. Without an expected loss a
    running trial is pending, and `_bounded` limits one that was cut short. A failed
    trial counts as the worst value.
    """
    states, losses = history.states, history.losses
    completed, has_failed = states == COMPLETED, states == FAILED
    foreseen = np.isfinite(history.expected) & ~(completed | has_failed)
    values = np.where(foreseen, history.expected, losses)
    spread = np.where(foreseen & np.isfinite(history.spread), history.spread, 0.0)
    failed = has_failed | (completed & ~np.isfinite(values))
    waits = states == PENDING
    short = ~(waits | completed | has_failed) & ~foreseen
    pending = np.flatnonzero(waits & ~foreseen)
    finite = np.isfinite(values) & ~failed
    finite[pending] = False
    values, spread = _bounded(values, spread, short & finite, finite & ~short)
    rows = np.flatnonzero(finite | (failed & finite.any()))
    found = np.where(failed, np.max(values[finite], initial=-np.inf), values)[rows]
    return _standardized(rows, found, spread[rows], pending, int(finite.sum()))


def _bounded(
    values: Reals,
    spread: Reals,
    short: NDArray[np.bool_],
    whole: NDArray[np.bool_],
) -> tuple[Reals, Reals]:
    """The losses with those of trials that were cut short limited on both sides.

    Such a trial reported worse losses than it would have reached, and it was ended
    because it was not better than others. So it counts as not better than the median of
    the other trials and not worse than their upper tail, with an uncertainty of half
    the interquartile range.
    """
    if not short.any() or not whole.any():
        return values, spread
    scale = float(np.max(np.abs(values[whole]))) or 1.0
    least, lower, most, upper = scale * np.quantile(
        values[whole] / scale, [0.25, 0.5, 0.75, WORST_OF_CUT_SHORT]
    )
    values, spread = values.copy(), spread.copy()
    values[short] = np.clip(values[short], lower, upper)
    spread[short] = most / 2 - least / 2
    return values, spread


def _standardized(
    rows: NDArray[np.int64],
    losses: Reals,
    spread: Reals,
    pending: NDArray[np.int64],
    finite: int,
) -> Outcomes:
    """Cut off on the bad side, then with mean 0 and standard deviation 1."""
    if not len(losses):
        return Outcomes(rows, losses, spread, pending, finite, losses, spread)
    # Divided first: sums and squares of huge losses would overflow.
    size = float(max(np.max(np.abs(losses)), np.max(spread))) or 1.0
    values, apart = losses / size, spread / size
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    if high > low:
        values = np.minimum(values, middle + CUT * (high - low))
    mean, deviation = float(values.mean()), float(values.std())
    if not deviation > 1e-14:
        deviation = 1.0
    return Outcomes(
        rows=rows,
        values=(values - mean) / deviation,
        extra=(apart / deviation) ** 2,
        pending=pending,
        finite=finite,
        found=losses,
        spread=spread,
        location=mean * size,
        scale=deviation * size,
    )
