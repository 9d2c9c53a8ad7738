"""Learning curves: their level so far, and their noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Noise above this share of the spread of trials is smoothed away.
CALM = 0.05
MAX_SMOOTHED = 25
MIN_FOR_NOISE, MIN_FOR_HALF = 6, 12
MAD_OF_SECOND_DIFFERENCE = 0.6745 * math.sqrt(6)


def levels_of(losses: Floats, window: int = 1) -> Floats:
    """The best so far of the losses or of their moving averages, along the last axis.

    An average covers at most half of the reports. With up to `window` reports the
    latest average counts, even if an earlier one was better.
    """
    if window == 1:
        return np.minimum.accumulate(losses, axis=-1)
    averages = _averages(losses, window)
    levels = averages.copy()
    lowest = np.minimum.accumulate(averages[..., window - 1 :], axis=-1)
    levels[..., window:] = lowest[..., 1:]
    return levels


def noise_of(losses: Floats) -> float | None:
    """The standard deviation of a report's noise; None for too short curves.

    It follows from second differences in the later half, where training is calmer. They
    take out the trend (Gasser, Sroka and Jennen-Steinmetz, "Residual variance and
    residual pattern in nonlinear regression", Biometrika 73, 1986); their median is
    robust against single jumps.
    """
    noises = noises_of(losses[np.isfinite(losses)][None, :])
    return noises[0] if noises else None


def noises_of(curves: Floats) -> list[float]:
    """The noise of curves of one length, without those that are too short."""
    whole = np.isfinite(curves).all(axis=1)
    noises = [
        noise for curve in curves[~whole] if (noise := noise_of(curve)) is not None
    ]
    reports = curves.shape[1]
    if reports < MIN_FOR_NOISE or not whole.any():
        return noises
    start = reports // 2 if reports >= MIN_FOR_HALF else 0
    bends = np.abs(np.diff(curves[whole, start:], 2))
    found: list[float] = (np.median(bends, axis=1) / MAD_OF_SECOND_DIFFERENCE).tolist()
    return noises + found


def window_for(noise: float, spread: float) -> int:
    """How many reports to average, by the noise and the spread of trials."""
    if spread <= 0:
        return 1 if noise <= 0 else MAX_SMOOTHED
    share = noise / spread
    if share <= CALM:
        return 1
    if share > 1:
        return MAX_SMOOTHED
    return min(MAX_SMOOTHED, int(2 ** math.ceil(2 * math.log2(share / CALM))))


def _averages(losses: Floats, window: int) -> Floats:
    """The mean of the latest finite losses; infinity without any."""
    finite = np.isfinite(losses)
    ends = np.arange(1, losses.shape[-1] + 1)
    starts = ends - np.minimum(window, (ends + 1) // 2)
    sums = _summed(np.where(finite, losses, 0.0))
    counts = _summed(finite.astype(float))
    number = counts[..., ends] - counts[..., starts]
    means = (sums[..., ends] - sums[..., starts]) / np.maximum(number, 1)
    averages: Floats = np.where(number > 0, means, np.inf)
    return averages


def _summed(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2 … values, along the last axis."""
    before = np.zeros((*values.shape[:-1], 1))
    return np.concatenate([before, np.cumsum(values, axis=-1)], axis=-1)
