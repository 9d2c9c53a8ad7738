"""Truncation selection: the worst share of the trials ends at every check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.search.fields import Fields
from experiments.search.records import Rivals, Standing
from experiments.search.termination.policy import Policy, Threshold


@dataclass(frozen=True, kw_only=True)
class TruncationSelectionPolicy(Policy):
    """Ends a trial that is among the worst `truncation_percentage` percent.

    With k trials (the rivals and the trial itself) the last c = floor(k P / 100) end:
    those than which at least k - c are strictly better. With `exclude_finished_jobs`
    only running trials are rivals.
    """

    kind: ClassVar[str] = "truncation_selection"

    truncation_percentage: int
    exclude_finished_jobs: bool = False

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, float | bool]:
        return {
            "truncation_percentage": document.integer(
                "truncation_percentage", 20, least=1, most=99, required="20"
            ),
            "exclude_finished_jobs": document.flag("exclude_finished_jobs", False),
        }

    def considered(self, rivals: Rivals) -> Rivals:
        return rivals.only_running() if self.exclude_finished_jobs else rivals

    def threshold(self, own: Standing, rivals: Rivals) -> Threshold | None:
        field = len(rivals) + 1
        ending = field * self.truncation_percentage // 100
        if ending == 0:
            return None
        order = np.lexsort((rivals.numbers, rivals.best))
        last_kept = int(order[field - ending - 1])
        number = int(rivals.numbers[last_kept])
        words = (
            f"the best of trial {number}; the last {ending:,} of {field:,} trials end"
        )
        return Threshold(float(rivals.best[last_kept]), (number,), words)

    def name_in_words(self) -> str:
        return f"truncation of the last {self.truncation_percentage} %"
