"""Median stopping, after Google Vizier's rule (Golovin et al., 2017, section 3.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.search.fields import Fields
from experiments.search.records import Rivals, Standing
from experiments.search.termination.policy import Policy, Threshold


@dataclass(frozen=True, kw_only=True)
class MedianStoppingPolicy(Policy):
    """Ends a trial whose best is worse than the median of the rivals' averages.

    A rival's average is the mean of its finite values up to the same report. With an
    even number of rivals the median is the mean of the middle two.
    """

    kind: ClassVar[str] = "median_stopping"

    @classmethod
    def read_own(cls, document: Fields) -> Mapping[str, float | bool]:
        return {}

    def threshold(self, own: Standing, rivals: Rivals) -> Threshold:
        order = np.lexsort((rivals.numbers, rivals.mean))
        half = len(order) // 2
        middle = (
            order[half : half + 1] if len(order) % 2 else order[half - 1 : half + 1]
        )
        setters = tuple(sorted(int(number) for number in rivals.numbers[middle]))
        if len(order) == 1:
            words = f"the average of trial {setters[0]}"
        else:
            words = f"the median of {len(order):,} other trials' averages"
        halves = rivals.mean[middle] / len(middle)
        return Threshold(float(halves.sum()), setters, words)

    def name_in_words(self) -> str:
        return "median stopping"
