"""Recorded sweeps for tests, made from curves."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from experiments.search.history import COMPLETED
from experiments.search.simulation import Recording


def recorded(
    curves: Sequence[Sequence[float]],
    *,
    starts: Sequence[float] | None = None,
    states: Sequence[int] | None = None,
    stopped_after: Sequence[int] | None = None,
    exempt: Collection[int] = (),
) -> Recording:
    """Curves of losses, a report a second, each trial from its start on.

    Without starts they all run at one time. At one moment the lower number is first,
    and reports come before ends.
    """
    count = len(curves)
    begin = np.array(starts if starts is not None else [0.0] * count, float)
    lengths = [len(curve) for curve in curves]
    trials = np.repeat(np.arange(count, dtype=np.int32), lengths)
    steps = np.concatenate([np.arange(1, length + 1) for length in lengths])
    times = begin[trials] + steps
    order = np.lexsort((trials, times))
    ends = begin + lengths
    return Recording(
        numbers=np.arange(count),
        states=np.array(states or [COMPLETED] * count, np.int8),
        starts=begin,
        seconds=np.array(lengths, float),
        ended_at=np.searchsorted(times[order], ends, side="right"),
        stopped_after=np.array(stopped_after or [0] * count),
        exempt=np.isin(np.arange(count), list(exempt)),
        trials=trials[order],
        losses=np.concatenate([np.array(c, float) for c in curves])[order],
        times=times[order],
    )


def random_curves(seed: int, *, trials: int = 30, most: int = 12) -> list[list[float]]:
    """Falling losses with ties, gaps and different lengths."""
    rng = np.random.default_rng(seed)
    curves = []
    for _ in range(trials):
        length = int(rng.integers(1, most + 1))
        steps = np.arange(1, length + 1)
        curve = rng.uniform(0.1, 1) + np.exp(-steps * rng.uniform(0.05, 0.8))
        curve = np.round(curve + rng.normal(0, 0.05, length), 1)
        curve[rng.random(length) < 0.1] = np.inf
        curves.append(curve.tolist())
    return curves
