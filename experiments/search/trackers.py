"""Following constraints from axis to axis.

The less there is to remember of the axes so far, the fewer states a space has, and the
larger a space can be counted. Of a sum it is the sum so far; of anything else the
values themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from experiments.search.constraints import Constraint
from experiments.search.layout import Layout
from experiments.search.marks import BROKEN, MET, Mark, Tracker
from experiments.search.screens import INACTIVE, Screen
from experiments.search.sums import summed

# So many numbers are put into tables; sums beyond are remembered by their digits.
MOST_NUMBERS = 50_000


@dataclass
class Remembering:
    """The digits themselves; a screen judges them when the last is known."""

    screen: Screen
    start: Mark = ()

    @property
    def places(self) -> Sequence[int]:
        return self.screen.places

    def toll(self, place: int) -> int:
        return 8 if place == self.screen.last else 4

    def after(self, place: int, mark: Mark) -> Sequence[Mark]:
        size = self.screen.layout.order[place].law.count() or 1
        return [self._with(place, mark, digit) for digit in range(size)]

    def without(self, place: int, mark: Mark) -> Mark:
        return self._with(place, mark, INACTIVE)

    def _with(self, place: int, mark: Mark, digit: int) -> Mark:
        digits = (*mark, digit)  # type: ignore[misc]
        if place != self.screen.last:
            return digits
        return MET if self.screen.admits(self.screen.values(digits)) else BROKEN


def trackers(
    layout: Layout, constraints: Sequence[Constraint], screens: Sequence[Screen]
) -> list[Tracker]:
    """One for every screen; those of the constraints are the first."""
    found: list[Tracker] = []
    room = MOST_NUMBERS
    for constraint, screen in zip_longest(constraints, screens):
        follows = constraint and summed(layout, constraint.chain, room=room)
        if follows:
            room -= sum(map(len, follows.tables.values()))
        found.append(follows or Remembering(screen))
    return found
