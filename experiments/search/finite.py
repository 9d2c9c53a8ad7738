"""Counting and numbering the configurations of a space with finitely many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.constraints import Constraint
from experiments.search.counting import Counting
from experiments.search.layout import Layout, Values
from experiments.search.listing import Listing
from experiments.search.marks import Tracker
from experiments.search.screens import INACTIVE, Rows, Screen, screens, values_of
from experiments.search.sums import Adding
from experiments.search.trackers import trackers

# So many configurations are listed.
MOST_LISTED = 2**17
TOO_MANY = "The space has too many configurations to list."


@dataclass(frozen=True)
class FiniteSpace:
    """A layout whose laws all have finitely many values, and its constraints.

    Configurations come in the layout's order, the last axis fastest. Rows hold digits,
    one for each axis in that order.
    """

    layout: Layout
    constraints: tuple[Constraint, ...]

    @cached_property
    def count(self) -> int | None:
        """The exact number; None when it takes too much to find out."""
        return self._counting.total

    @cached_property
    def at_most(self) -> int:
        """The number that the constraints leave out nothing of."""
        total = Counting(self.layout).total
        sizes = (axis.law.count() or 1 for axis in self.layout.order)
        return math.prod(sizes) if total is None else total

    def values(self, number: int) -> Values | None:
        """The axes' values of the number-th configuration; None when there is none.

        Raises InfeasibleError when the search for it takes too long.
        """
        if self.count is None:
            row = self.listing.row(number)
            return None if row is None else self.of_row(row)
        if number >= self.count:
            return None
        return values_of(self.layout.order, self._counting.digits(number))

    def of_row(self, row: Rows) -> Values:
        """The axes' values of a row."""
        return values_of(self.layout.order, row.tolist())

    @cached_property
    def rows(self) -> Rows | None:
        """Every configuration; None for more than MOST_LISTED, or when not counted."""
        if self.count is None or self.count > MOST_LISTED:
            return None
        return self._counting.rows

    @cached_property
    def log_masses(self) -> NDArray[np.float64]:
        """The logarithms of the rows' probabilities, up to a common factor."""
        rows = self.rows
        if rows is None:
            raise ValueError(TOO_MANY)
        sums = np.zeros(len(rows))
        for place, axis in enumerate(self.layout.order):
            digits = rows[:, place]
            if axis.law.partition is None or not (digits != INACTIVE).any():
                continue
            with np.errstate(divide="ignore"):
                own = np.log(axis.law.partition.masses())
            sums += np.where(digits == INACTIVE, 0.0, own[digits])
        return sums

    def drawn(self, rng: np.random.Generator) -> Values | None:
        """One configuration by its probability; None when they cannot be listed."""
        if self.rows is None or not len(self.rows):
            return None
        return self.of_row(self.drawn_rows(rng, 1)[0])

    def drawn_rows(self, rng: np.random.Generator, number: int) -> Rows:
        """So many rows by their probability, of a space that can be listed."""
        if self.rows is None:
            raise ValueError(TOO_MANY)
        masses = np.exp(self.log_masses - np.max(self.log_masses))
        chosen = rng.choice(len(masses), number, p=masses / masses.sum())
        found: Rows = self.rows[chosen]
        return found

    @cached_property
    def listing(self) -> Listing:
        pairs = zip(self._trackers, self._screens, strict=True)
        return Listing(
            self.layout,
            [one if isinstance(one, Adding) else screen for one, screen in pairs],
        )

    @cached_property
    def _counting(self) -> Counting:
        return Counting(self.layout, self._trackers)

    @cached_property
    def _trackers(self) -> list[Tracker]:
        return trackers(self.layout, self.constraints, self._screens)

    @cached_property
    def _screens(self) -> list[Screen]:
        return screens(self.layout, self.constraints)
