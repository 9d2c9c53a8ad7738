"""Truncation selection: the worst share of the trials ends at every check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.search.termination.comparison import ComparingPolicy, LossLimit
from experiments.search.termination.evidence import Evidence, Rivals, trial_mark
from experiments.search.termination.policy import Ruling
from experiments.search.termination.settings import (
    FlagSetting,
    IntegerSetting,
    declared,
)


@dataclass(frozen=True, kw_only=True)
class TruncationSelectionPolicy(ComparingPolicy):
    """Ends a trial that is among the worst `truncation_percentage` percent.

    Of k trials (the rivals and the trial itself) the worst c = floor(k P / 100) end: a
    trial ends if at least k - c are strictly better. With `exclude_finished_jobs` only
    running trials are rivals.
    """

    kind: ClassVar[str] = "truncation_selection"
    title: ClassVar[str] = "Truncation"
    use: ClassVar[str] = "worst share at each check"
    advice: ClassVar[str] = "Ends the worst share at every check, however good it is."

    truncation_percentage: int = declared(
        IntegerSetting(
            label="Percentage ended at every check",
            maximum=99,
            example="20",
            phrase="worst {} %",
            slider=(1, 99, 1),
            usual=(10, 20, 30, 40, 50, 60, 70, 80),
        )
    )
    exclude_finished_jobs: bool = declared(
        FlagSetting(
            label="Compare with running trials only",
            default=False,
            help="In a document: exclude_finished_jobs.",
        )
    )

    def considered(self, rivals: Rivals) -> Rivals:
        return rivals.only_running() if self.exclude_finished_jobs else rivals

    def limit(self, evidence: Evidence, rivals: Rivals) -> LossLimit | None:
        ending = self._ending(rivals)
        if ending == 0:
            return None
        last_kept = rivals.ranked(len(rivals) - ending)
        return LossLimit(last_kept.loss, (last_kept.number,))

    def limit_in_words(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        return (
            f"the best of {trial_mark(ruling.setters[0])}; the last "
            f"{self._ending(rivals):,} of {len(rivals) + 1:,} trials end"
        )

    def name_in_words(self) -> str:
        return f"truncation of the last {self.truncation_percentage} %"

    def _ending(self, rivals: Rivals) -> int:
        """How many of the trials, including the judged one, end."""
        return (len(rivals) + 1) * self.truncation_percentage // 100
