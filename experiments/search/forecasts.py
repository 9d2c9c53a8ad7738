"""Forecasts of final losses from the learning curves of finished trials.

A trial's level after n reports is its best loss so far. The model of what finished
trials gained after that, relative to their recent gain, is log-normal: a power law is
the prior, and trials that gained about as fast are the main evidence. Noisy curves are
smoothed first. Samplers use the forecasts for trials that were cut short or still run.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy

from experiments.search.history import History
from experiments.search.learning_curves import (
    Floats,
    levels_of,
    noises_of,
)

if TYPE_CHECKING:  # The policies import this module.
    from experiments.search.termination.evidence import Finished

# The prior: the exponent of a power law, its weight in trials, its uncertainty.
EXPONENT = 0.5
PRIOR_WEIGHT, PRIOR_DEGREES, PRIOR_SCALE = 2.0, 4.0, 1.0
# Trials that gained about as fast have full weight, others little: width on log scale.
LIKENESS, MIN_LIKENESS = 0.5, 0.05
# The smallest gain that counts, as a share of the spread of final levels.
MIN_GAIN = 0.02


class Gain(NamedTuple):
    """What a trial may still gain: exp(center + scale t) - eps, with a Student t."""

    center: float
    scale: float
    degrees: float
    eps: float

    def amount(self, deviations: float) -> float:
        """The gain at a number of scales from the center, at least 0."""
        power = min(700.0, self.center + self.scale * deviations)
        return max(0.0, math.exp(power) - self.eps)

    def chance(self, needed: float) -> float:
        """The probability of a gain of at least `needed`."""
        if needed + self.eps <= 0:
            return 1.0
        z = (math.log(needed + self.eps) - self.center) / self.scale
        return float(scipy.special.stdtr(self.degrees, -z))


@dataclass(frozen=True)
class GainModel:
    """The finished trials' levels: rows of trials, columns of reports from 1.

    A row is NaN after the trial's end; `finals` are the levels at the ends. `noise` is
    the standard deviation of a report, 0 if it is unknown.
    """

    levels: Floats
    finals: Floats
    noise: float
    _smoothed: dict[int, GainModel] = field(default_factory=dict)
    _curves: tuple[Floats, ...] = ()

    def __len__(self) -> int:
        return len(self.finals)

    @property
    def longest(self) -> int:
        """The number of reports of the longest trial."""
        return int(self.levels.shape[1])

    @cached_property
    def eps(self) -> float:
        """The smallest gain that counts as one."""
        low, high = np.quantile(self.finals, [0.25, 0.75])
        spread = float(high - low)
        if len(self) == 1:
            level = self.levels[0][np.isfinite(self.levels[0])][0]
            spread = float(level - self.finals[0])
        size = float(np.abs(self.finals).max())
        return max(MIN_GAIN * spread, 1e-9 * size, 1e-300)

    def smoothed(self, window: int) -> GainModel:
        """The same for levels of moving averages."""
        if window == 1:
            return self
        if window not in self._smoothed:
            self._smoothed[window] = _gain_model(self._curves, window, self.noise)
        return self._smoothed[window]

    def gain(self, report: int, recent: float) -> Gain | None:
        """What a trial that gained `recent` over its later half may still gain.

        None if no finished trial has as many reports with a finite level.
        """
        found = self.gains(report, np.array([recent]))
        if found is None:
            return None
        center, scale, degrees = (float(part[0]) for part in found)
        return Gain(center, scale, degrees, self.eps)

    def gains(
        self, report: int, recent: Floats
    ) -> tuple[Floats, Floats, Floats] | None:
        """Centers, scales and degrees of freedom for many trials at one report."""
        if report > self.longest:
            return None
        now, before = self.levels[:, report - 1], self.levels[:, later_half(report) - 1]
        known = np.isfinite(now) & np.isfinite(before)
        if not known.any():
            return None
        left = np.log(np.maximum(now[known] - self.finals[known], 0.0) + self.eps)
        lately = np.log(np.maximum(before[known] - now[known], 0.0) + self.eps)
        own = np.log(np.maximum(recent, 0.0) + self.eps)
        apart = (lately - own[:, None]) / LIKENESS
        weights = MIN_LIKENESS + np.exp(-0.5 * apart**2)
        prior = _power_law(report, self.longest)
        centers, scales, degrees = _posterior(left - lately, weights, prior)
        return own + centers, scales, degrees

    @cached_property
    def first_gains(self) -> tuple[float, float, float] | None:
        """Quantiles .16, .5 and .84 of the gains after the first report; None if no
        first report was finite."""
        gains = self.levels[:, 0] - self.finals
        known = gains[np.isfinite(gains)]
        if not len(known):
            return None
        low, middle, high = np.quantile(known, [0.16, 0.5, 0.84])
        return float(low), float(middle), float(high)


def later_half(report: int) -> int:
    """The report after which gains count as recent."""
    return max(1, report // 2)


def gain_model_of(finished: Finished) -> GainModel:
    """The model of the finished trials' reports."""
    curves = tuple(curve for curve in finished.curves() if len(curve))
    noises = [noise for _, same in _alike(curves) for noise in noises_of(same)]
    return _gain_model(curves, 1, float(np.median(noises)) if noises else 0.0)


class Cut(NamedTuple):
    """Where a trial was cut short: its number of reports, its level, and its level at
    `later_half` of them."""

    report: int
    best: float
    before: float


def cut_of(losses: Floats) -> Cut:
    """The cut of a trial with these reports, at least one."""
    report, levels = len(losses), levels_of(losses)
    return Cut(report, float(levels[-1]), float(levels[later_half(report) - 1]))


def forecast_finals(
    cuts: Sequence[Cut], gain_model: GainModel
) -> list[tuple[float, float] | None]:
    """The expected final loss of each trial that was cut short, and its uncertainty.

    None for a trial without a finite loss, and without finished trials.
    """
    found: list[tuple[float, float] | None] = [None] * len(cuts)
    groups: dict[int, list[int]] = defaultdict(list)
    for place, cut in enumerate(cuts):
        if math.isfinite(cut.best) and len(gain_model):
            groups[cut.report].append(place)
    for report, places in groups.items():
        best = np.array([cuts[place].best for place in places])
        before = np.array([cuts[place].before for place in places])
        ends = _expected(report, best, before, gain_model)
        if ends is not None:
            for place, end, spread in zip(places, *ends, strict=True):
                found[place] = float(end), float(spread)
    return found


def _expected(
    report: int, best: Floats, before: Floats, gain_model: GainModel
) -> tuple[Floats, Floats] | None:
    if report >= gain_model.longest:
        return best, np.zeros_like(best)
    if report == 1:
        if gain_model.first_gains is None:
            return None
        low, middle, high = gain_model.first_gains
        return best - max(middle, 0.0), np.full_like(best, max(high - low, 0.0) / 2)
    recent = np.where(np.isfinite(before), before - best, 0.0)
    gains = gain_model.gains(report, recent)
    if gains is None:
        return None
    center, scale, _ = gains
    least, usual, most = (
        np.maximum(np.exp(np.minimum(center + q * scale, 700.0)) - gain_model.eps, 0.0)
        for q in (-1, 0, 1)
    )
    return best - usual, (most - least) / 2


def _gain_model(curves: tuple[Floats, ...], window: int, noise: float) -> GainModel:
    longest = max((len(curve) for curve in curves), default=0)
    levels = np.full((len(curves), longest), np.nan)
    finals = np.empty(len(curves))
    for rows, same in _alike(curves):
        found = levels_of(same, window)
        levels[rows, : same.shape[1]] = found
        finals[rows] = found[:, -1]
    kept = np.isfinite(finals)
    return GainModel(levels[kept], finals[kept], noise, _curves=curves)


def _alike(curves: Sequence[Floats]) -> list[tuple[list[int], Floats]]:
    """The places and curves of each length, the curves as one array."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, curve in enumerate(curves):
        places[len(curve)].append(place)
    return [(rows, np.stack([curves[row] for row in rows])) for rows in places.values()]


def _power_law(report: int, longest: int) -> float:
    """The logarithm of a power law's further gain, relative to its recent gain."""
    left = max(1 - (report / longest) ** EXPONENT, 0.001)
    return math.log(left / (2**EXPONENT - 1))


def _posterior(
    values: Floats, weights: Floats, prior: float
) -> tuple[Floats, Floats, Floats]:
    """Center, scale and degrees of freedom of the next value, for each row of weights.

    For normal values with unknown mean and variance and a conjugate prior (Murphy,
    2007).
    """
    number = weights.sum(axis=1)
    mean = weights @ values / number
    total = PRIOR_WEIGHT + number
    center = (PRIOR_WEIGHT * prior + number * mean) / total
    degrees = PRIOR_DEGREES + number
    squares = (
        PRIOR_DEGREES * PRIOR_SCALE**2
        + (weights * (values - mean[:, None]) ** 2).sum(axis=1)
        + PRIOR_WEIGHT * number / total * (mean - prior) ** 2
    )
    return center, np.sqrt(squares / degrees * (1 + 1 / total)), degrees


class Expectations:
    """Keeps the expected losses of a history up to date.

    A trial's is computed again after it reports, and all are when another trial has run
    to its end.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._gain_model: GainModel | None = None
        self._known: dict[int, Cut] = {}

    def refresh(self, gain_model: GainModel, cuts: Mapping[int, Cut]) -> None:
        """Update the history from the cuts, by number, of all trials that did not run
        to their end."""
        if gain_model is not self._gain_model:
            self._gain_model = gain_model
            self._known.clear()
        self._known = {n: cut for n, cut in self._known.items() if n in cuts}
        due = {n: cut for n, cut in cuts.items() if self._known.get(n) != cut}
        self._known.update(due)
        found = forecast_finals(list(due.values()), gain_model)
        for number, expected in zip(due, found, strict=True):
            loss, spread = expected or (math.nan, math.nan)
            self._history.expect(number, loss=loss, spread=spread)
