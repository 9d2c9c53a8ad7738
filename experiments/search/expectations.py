"""What is expected of trials that were cut short or still run, for samplers to use."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.curves import Courses, Cut, expected_finals
from experiments.search.history import History


class Expectations:
    """Keeps a history's `expected` and `spread` as the finished trials have them.

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
