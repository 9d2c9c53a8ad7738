"""What samplers and policies know about a sweep: its objective and its trials."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

JSONValue: TypeAlias = (
    "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"
)
JSONObject: TypeAlias = "dict[str, JSONValue]"
Params: TypeAlias = Mapping[str, JSONValue]
Goal: TypeAlias = Literal["minimize", "maximize"]

FINAL_STATES = ("completed", "terminated", "cancelled", "failed")

# In the names of metrics of which less is better: parts of words, then whole ones.
LOWER_IS_BETTER = re.compile(
    r"loss|error|perplexity|(?<![a-z])(err|mae|mape|mse|rmse|rmsle|nll|ppl|wer|cer|fid"
    r"|latency|memory|bytes|seconds|(run|wall)?time)(?![a-z])"
)


def goal_of(name: str) -> Goal:
    """A guess by the metric's name."""
    is_lower = LOWER_IS_BETTER.search(name.lower()) is not None
    return "minimize" if is_lower else "maximize"


@dataclass(frozen=True)
class Objective:
    """The metric to optimize. Inside the search a lower number is always better.

    `target` is in the metric's own sign: a trial that reaches it completes the sweep.
    """

    primary_metric: str
    goal: Goal
    target: float | None = None

    @property
    def maximizes(self) -> bool:
        return self.goal == "maximize"

    def loss(self, value: float) -> float:
        """The metric's value as a loss: lower is better, and infinity if not finite."""
        if not math.isfinite(value):
            return math.inf
        # A sum with 0.0 is never -0.0, which not every database keeps.
        return 0.0 - value if self.maximizes else 0.0 + value

    def value(self, loss: float) -> float:
        """The metric's value of a loss."""
        return 0.0 - loss if self.maximizes else 0.0 + loss

    def reached(self, value: float) -> bool:
        """Whether a value is at least as good as the target, if there is one."""
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
