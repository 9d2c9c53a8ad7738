"""What is expected of trials that were cut short or still run, for samplers to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from experiments.search.curves import Courses, Floats, expected_final
from experiments.search.history import History


class Expectations:
    """Keeps a history's `expected` and `spread` as the finished trials have them.

    A trial is worked out anew when it has reported since, and all are when one more
    trial has run to its end.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._courses: Courses | None = None
        self._reports: dict[int, int] = {}

    def refresh(
        self,
        courses: Courses,
        reports: Mapping[int, int],
        losses: Callable[[int], Floats],
    ) -> None:
        """`reports` counts those of every trial that has not run to its end, and
        `losses` gives a trial's by its number."""
        if courses is not self._courses:
            self._courses = courses
            self._reports.clear()
        for number, count in reports.items():
            if not count or self._reports.get(number) == count:
                continue
            self._reports[number] = count
            found = expected_final(losses(number), courses)
            if found is not None:
                loss, spread = found
                self._history.expect(number, loss=loss, spread=spread)
