"""What is expected of trials that were cut short or still run, for samplers to use."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.curves import Courses, Cut, expected_finals
from experiments.search.history import History
from experiments.search.repeats import surely

# Of so many of the latest trials it is asked how many only repeated others.
LATEST = 16


class Expectations:
    """Keeps what a history expects of its trials as the finished ones have it.

    A trial is worked out anew when it has reported since, and all are when one more
    trial has run to its end.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._courses: Courses | None = None
        self._known: dict[int, Cut] = {}

    def refresh(self, courses: Courses, cuts: Mapping[int, Cut]) -> None:
        """`cuts` are those of every trial that did not run to its end, by number."""
        if courses is not self._courses:
            self._courses = courses
            self._known.clear()
        self._known = {n: cut for n, cut in self._known.items() if n in cuts}
        due = {n: cut for n, cut in cuts.items() if self._known.get(n) != cut}
        self._known.update(due)
        found = expected_finals(list(due.values()), courses)
        for number, expected in zip(due, found, strict=True):
            loss, spread = expected or (math.nan, math.nan)
            self._history.expect(number, loss=loss, spread=spread)
        self._history.repeating = _share_of_repeats(self._history, courses, cuts)


def _share_of_repeats(
    history: History, courses: Courses, cuts: Mapping[int, Cut]
) -> float:
    """The share of the latest trials that repeat one that is finished, whose end is
    therefore certain, or that stand where one with a lower number was cut short."""
    if not surely(2, trials=len(cuts) + len(courses), variety=courses.variety):
        return 0.0
    lowest: dict[Cut, int] = {}
    for number, cut in cuts.items():
        lowest[cut] = min(number, lowest.get(cut, number))

    def repeats(number: int, spread: float) -> bool:
        cut = cuts.get(number)
        # A level that has not moved could be a coincidence.
        if cut is None or not cut.best < cut.before:
            return False
        ends_alike = spread == 0 and cut.report < courses.longest
        return ends_alike or lowest[cut] < number

    latest = history.numbers[-LATEST:].tolist(), history.spread[-LATEST:].tolist()
    found = [repeats(*one) for one in zip(*latest, strict=True)]
    return sum(found) / max(1, len(found))
