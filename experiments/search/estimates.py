"""How long a sweep should take, and how much compute it needs: an estimate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Trials of other code, or very few of them, say less.
WIDER = 1.5
MIN_TRIALS = 5
# The configuration that is tested first runs alone until it has reported this often.
TESTED_REPORTS = 2


@dataclass(frozen=True)
class Workload:
    """The trials of a sweep, `at_once` of them at a time, on `slots` each. Limits are
    in seconds."""

    trials: int
    at_once: int
    slots: int = 1
    timeout: float | None = None
    trial_timeout: float | None = None
    tests_first: bool = False


@dataclass(frozen=True)
class TrialTimes:
    """How long earlier trials took that ran to their end, with their usual number of
    reports. `changed`: they ran other code."""

    seconds: Sequence[float]
    reports: float = 0.0
    changed: bool = False

    @property
    def usual(self) -> float:
        return float(np.median(self.seconds))

    @property
    def is_wide(self) -> bool:
        return self.changed or len(self.seconds) < MIN_TRIALS


@dataclass(frozen=True)
class Spread:
    low: float
    likely: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """In seconds; `compute` is the sum over slots.

    `at_once` trials find a slot, `first` is the time of the test before the others, and
    `is_cut` says that the whole sweep's limit may end it.
    """

    duration: Spread
    compute: Spread
    at_once: int
    first: float
    is_cut: bool


def estimate(
    work: Workload, times: TrialTimes, *, saved: float = 0.0, capacity: int = 0
) -> Estimate:
    """The estimate for a pool with slots for `capacity` trials; 0 if that is unknown.

    `saved` is the share of compute that early termination saves.
    """
    at_once = max(1, min(work.at_once, capacity or work.at_once, work.trials))
    one = _one_trial(work, times)
    part = min(1.0, TESTED_REPORTS / times.reports) if times.reports else 1.0
    first = part * one.likely if work.tests_first else 0.0
    rounds = math.ceil(work.trials / at_once) * (1 - saved)
    whole = _scaled(one, rounds, first / one.likely if one.likely else 0.0)
    compute = _scaled(one, work.trials * (1 - saved) * work.slots)
    limit = work.timeout or math.inf
    most = limit * at_once * work.slots
    return Estimate(
        _capped(whole, limit),
        _capped(compute, most),
        at_once,
        first,
        whole.high > limit,
    )


def _one_trial(work: Workload, times: TrialTimes) -> Spread:
    """From the quarter of the earlier trials to their three quarters."""
    low, likely, high = np.quantile(times.seconds, [0.25, 0.5, 0.75]).tolist()
    wider = WIDER if times.is_wide else 1.0
    spread = Spread(low / wider, likely, high * wider)
    return _capped(spread, work.trial_timeout or math.inf)


def _scaled(one: Spread, factor: float, more: float = 0.0) -> Spread:
    total = factor + more
    return Spread(one.low * total, one.likely * total, one.high * total)


def _capped(spread: Spread, most: float) -> Spread:
    return Spread(
        min(spread.low, most), min(spread.likely, most), min(spread.high, most)
    )


def room_words(usual: float, limit: float | None, *, limit_text: str) -> str:
    """Whether a trial's time limit leaves room; empty without a limit."""
    if limit is None:
        return ""
    if limit < usual:
        return f", so {limit_text} ends most trials"
    return f", so {limit_text} leaves {'little ' if limit < 2 * usual else ''}room"
