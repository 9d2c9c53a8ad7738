"""All that a sampler or a policy may know about a sweep and its trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

JSONValue: TypeAlias = (
    "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"
)
Params: TypeAlias = Mapping[str, JSONValue]
Goal: TypeAlias = Literal["minimize", "maximize"]

FINAL_STATES = ("completed", "terminated", "cancelled", "failed")


@dataclass(frozen=True)
class Objective:
    """The metric to optimise. Inside the search a lower number is always better.

    `target` is in the metric's own sign: a trial that reaches it completes the sweep.
    """

    primary_metric: str
    goal: Goal
    target: float | None = None

    @property
    def maximizes(self) -> bool:
        return self.goal == "maximize"

    def loss(self, value: float) -> float:
        """The metric's value as a loss; infinity for NaN and either infinity."""
        if not math.isfinite(value):
            return math.inf
        return -value if self.maximizes else value

    def value(self, loss: float) -> float:
        """A loss turned back to the metric's own sign."""
        return -loss if self.maximizes else loss

    def reached(self, value: float) -> bool:
        """Whether a value is at least as good as the target; never without one."""
        return self.target is not None and self.loss(value) <= self.loss(self.target)


@dataclass(frozen=True)
class TrialRecord:
    """One trial as a sampler sees it.

    `state` is queued, running, completed, terminated, cancelled or failed; `value` is
    the best finite value of the primary metric that was logged, in its own sign.
    """

    number: int
    params: Params
    state: str
    value: float | None


@dataclass(frozen=True)
class Standing:
    """One trial after its n-th report: best and mean of the finite LOSSES so far.

    Both are infinity as long as no finite value was reported.
    """

    report: int
    best: float
    mean: float

    @property
    def silent(self) -> bool:
        return math.isinf(self.best)


@dataclass(frozen=True)
class Rivals:
    """The sweep's other trials that reported at least n times, cut at their n-th.

    Four arrays of one length: trial numbers, best and mean LOSSES as in `Standing`,
    and whether the trial is still running.
    """

    numbers: NDArray[np.int64]
    best: NDArray[np.float64]
    mean: NDArray[np.float64]
    running: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.numbers)

    def only_running(self) -> Rivals:
        """The rivals that have not ended."""
        kept = self.running
        return Rivals(
            self.numbers[kept], self.best[kept], self.mean[kept], self.running[kept]
        )

    @classmethod
    def none(cls) -> Rivals:
        """No rivals at all."""
        return cls(
            np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.bool_)
        )


@dataclass(frozen=True)
class Verdict:
    """A policy's answer after one report, with all that it rests on.

    `value` (the trial's own best) and `threshold` are in the METRIC'S OWN SIGN, None
    where there is no finite one. `rivals` counts the trials compared with. `setters`
    are the numbers of the rivals that set the threshold: the leader, or the middle one
    or two. `reason` is one plain sentence, never empty.
    """

    stop: bool
    report: int
    value: float | None
    threshold: float | None
    rivals: int
    setters: tuple[int, ...]
    reason: str
