"""What is expected of trials that were cut short or still run, for samplers to use."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from experiments.search.curves import Courses, Cut, expected_finals
from experiments.search.history import COMPLETED, History
from experiments.search.repeats import surely

# Trials with so many equal reports are taken for one and the same training.
FEWEST_EQUAL = 3

# Equal for trials whose first FEWEST_EQUAL reports are equal; None where these say
# little: where one is missing, no number or equal to another.
Beginning: TypeAlias = tuple[float, ...] | None


def beginning_of(reports: Sequence[float | None]) -> Beginning:
    """How a trial with these reports began."""
    begun = tuple(value for value in reports[:FEWEST_EQUAL] if value is not None)
    telling = len(set(filter(math.isfinite, begun))) == FEWEST_EQUAL
    return begun if telling else None


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
        beginnings: Mapping[int, Beginning],
    ) -> None:
        """`cuts` are those of every trial that did not run to its end, by number, and
        `beginnings` those of every trial with enough reports."""
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
        sure = surely(FEWEST_EQUAL, trials=len(self._history), variety=courses.variety)
        trainings = _trainings(beginnings, self._history) if sure else {}
        self._history.tell_trainings(trainings)


def _trainings(beginnings: Mapping[int, Beginning], history: History) -> dict[int, int]:
    """The lowest number of a trial that began just so, by the trials' numbers."""
    doubtful = _doubtful(beginnings, history)
    first: dict[Beginning, int] = {}
    return {
        number: first.setdefault(beginnings[number], number)
        for number in sorted(beginnings)
        if beginnings[number] not in doubtful
    }


def _doubtful(beginnings: Mapping[int, Beginning], history: History) -> set[Beginning]:
    """Beginnings that led to different ends, as where a parameter acts late; and None.

    Completed trials are compared that have as many reports.
    """
    done = history.states == COMPLETED
    columns = (history.numbers, history.reports, history.losses)
    ends: dict[tuple[Beginning, int], set[float]] = defaultdict(set)
    for number, reports, loss in zip(*(c[done].tolist() for c in columns), strict=True):
        ends[beginnings.get(number), reports].add(loss)
    return {begun for (begun, _), losses in ends.items() if len(losses) > 1} | {None}
