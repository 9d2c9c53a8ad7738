"""Median stopping, after Google Vizier's rule (Golovin et al., 2017, section 3.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from experiments.search.termination.comparison import ComparingPolicy, LossLimit
from experiments.search.termination.evidence import Evidence, Rivals, trial_mark
from experiments.search.termination.policy import Ruling


@dataclass(frozen=True, kw_only=True)
class MedianStoppingPolicy(ComparingPolicy):
    """Ends a trial whose best is worse than the median of the rivals' averages.

    A rival's average is the mean of its finite values up to the same report. With an
    even number of rivals the median is the mean of the middle two.
    """

    kind: ClassVar[str] = "median_stopping"
    title: ClassVar[str] = "Median stopping"
    use: ClassVar[str] = "worse than the typical trial"
    advice: ClassVar[str] = (
        "Ends trials worse than the typical one. Cautious if it starts at report 5."
    )

    def limit(self, evidence: Evidence, rivals: Rivals) -> LossLimit:
        return LossLimit(*rivals.median_of_means())

    def limit_in_words(self, evidence: Evidence, rivals: Rivals, ruling: Ruling) -> str:
        if len(rivals) == 1:
            return f"the average of {trial_mark(ruling.setters[0])}"
        return f"the median of {len(rivals):,} other trials' averages"

    def name_in_words(self) -> str:
        return "median stopping"
