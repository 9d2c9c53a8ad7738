"""Which parameters separate the best quarter of trials from the rest: PED-ANOVA.

S. Watanabe, A. Bansal, F. Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter
Importance in Arbitrary Subspaces", IJCAI 2023. The importance of a parameter is the
Pearson divergence of its distribution in the best quarter from that in all trials, or
from an even one over its range. Two differences from the paper: what the same numbers
of trials would show by chance is subtracted, and says which parameters are told apart
from chance; and a conditional parameter is compared within the trials that have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.search.analysis.factors import Factor, Floats, Mask, smoothing

MIN_TRIALS = 10
QUANTILE = 0.25
# Draws of the best quarter by chance, and the share of them that must be lower.
DRAWS = 400
CONFIDENCE = 0.95
# Pseudo-observations, spread as all trials are.
PRIOR = 1.0


@dataclass(frozen=True)
class FactorImportance:
    """``share``: from 0 to 1, all shares together 1. ``trials`` have a value for it."""

    name: str
    share: float
    told_apart: bool
    trials: int


@dataclass(frozen=True)
class Importance:
    """Greatest first. Shares below ``chance`` are not told apart from chance.

    ``best``: which trials are the best quarter; ``limit``: the highest loss in it.
    """

    factors: Sequence[FactorImportance]
    chance: float
    best: Mask
    limit: float

    @property
    def any_told_apart(self) -> bool:
        return any(each.told_apart for each in self.factors)


def best_quarter(losses: Floats) -> Mask:
    """The quarter with the lowest finite losses, at least three; ties by order."""
    counted = np.isfinite(losses)
    size = max(3, math.ceil(QUANTILE * int(counted.sum())))
    best = np.zeros(len(losses), bool)
    best[np.argsort(np.where(counted, losses, np.inf), kind="stable")[:size]] = True
    return best & counted


def importance(
    factors: Sequence[Factor], losses: Floats, *, over_range: bool = False
) -> Importance | None:
    """None with fewer than MIN_TRIALS finite losses. ``over_range`` compares with an
    even distribution over each range, not with the trials that were tried."""
    counted = np.isfinite(losses)
    if counted.sum() < MIN_TRIALS:
        return None
    best = best_quarter(losses)
    rng = np.random.default_rng(0)
    found = [_divergence(f, counted, best, over_range, rng) for f in factors]
    gains = np.array([value - chance.mean() for value, chance in found])
    # Of all parameters together, or one in twenty would stand out by chance.
    noise = np.array([chance - chance.mean() for _, chance in found])
    limit = float(np.quantile(noise.max(axis=0), CONFIDENCE)) if len(found) else 0.0
    total = float(np.maximum(gains, 0).sum())
    rows = [
        FactorImportance(
            name=factor.name,
            share=max(0.0, float(gain)) / total if total > 0 else 0.0,
            told_apart=bool(gain > limit),
            trials=int((factor.is_set & counted).sum()),
        )
        for factor, gain in zip(factors, gains, strict=True)
    ]
    rows.sort(key=lambda row: -row.share)
    return Importance(
        factors=rows,
        chance=min(1.0, limit / total) if total > 0 else 1.0,
        best=best,
        limit=float(losses[best].max()),
    )


def _divergence(
    factor: Factor,
    counted: Mask,
    best: Mask,
    over_range: bool,
    rng: np.random.Generator,
) -> tuple[float, Floats]:
    """The divergence of the best quarter, and of others drawn by chance."""
    every, top = factor.counts(counted), factor.counts(best)
    size = int(top.sum())
    if not factor.varies or not size:
        return 0.0, np.zeros(DRAWS)
    if over_range:
        base = np.full(factor.size, 1 / factor.size)
        drawn = rng.multinomial(size, base, size=DRAWS)
    else:
        base = every / every.sum()
        drawn = rng.multivariate_hypergeometric(every, size, size=DRAWS)
    spread = smoothing(factor.size, _width(factor, size))
    if not factor.is_smooth:
        spread = np.eye(factor.size)
    values = _pearson(np.vstack([top, drawn]), base, spread)
    # What separates only a part of the trials counts for that part.
    values = values * size / int(best.sum())
    return float(values[0]), values[1:]


def _pearson(counts: Floats, base: Floats, spread: Floats) -> Floats:
    """The mean of (ratio - 1)² over the base distribution, for each row of counts."""
    total = counts.sum(axis=1, keepdims=True)
    shares = (counts + PRIOR * base) / (total + PRIOR)
    smooth, ground = shares @ spread.T, spread @ base
    known = ground > 0
    ratio = smooth[:, known] / ground[known]
    return np.asarray(((ratio - 1) ** 2) @ ground[known])


def _width(factor: Factor, size: int) -> float:
    """Scott's rule for a normal distribution, in shares of the axis."""
    spread = float(np.nanstd(factor.places)) if factor.is_smooth else 0.0
    return max(1 / factor.size, 1.06 * spread * math.pow(size, -0.2))
