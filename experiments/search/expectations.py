"""What is expected of trials that were cut short or still run, for samplers to use."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

from experiments.search.curves import Courses, Cut, expected_finals
from experiments.search.history import History
from experiments.search.repeats import surely

# Of so many of the latest trials it is asked how many only repeated others.
LATEST = 16
# Fewer equal reports are not asked about.
FEWEST_EQUAL = 3


class Expectations:
    """Keeps what a history expects of its trials as the finished ones have it.

    A trial is worked out anew when it has reported since, and all are when one more
    trial has run to its end.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._courses: Courses | None = None
        self._known: dict[int, Cut] = {}

    def refresh(
        self,
        courses: Courses,
        cuts: Mapping[int, Cut],
        repeats: Callable[[Collection[int]], int],
    ) -> None:
        """`cuts` are those of every trial that did not run to its end, by number.

        `repeats` counts among some trials those whose reports are, up to the last, the
        ones of a trial with a lower number; at least two of them have to differ.
        """
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
        latest = self._history.numbers[-LATEST:].tolist()
        asked = [n for n in latest if n in cuts and cuts[n].report >= FEWEST_EQUAL]
        sure = surely(FEWEST_EQUAL, trials=len(self._history), variety=courses.variety)
        share = repeats(asked) / len(latest) if sure and asked else 0.0
        self._history.repeating = share
