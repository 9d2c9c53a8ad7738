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
from experiments.search.listing import MOST_LISTED, Listing
from experiments.search.screens import INACTIVE, Rows, screens, values_of


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
        """The exact number; None when there are too many to try the constraints on."""
        if self._total is not None:
            return self._total
        return None if self.listing.all is None else len(self.listing.all)

    @cached_property
    def at_most(self) -> int:
        """The number that the constraints leave out nothing of."""
        total = self._counting.total
        sizes = (axis.law.count() or 1 for axis in self.layout.order)
        return math.prod(sizes) if total is None else total

    def values(self, number: int) -> Values | None:
        """The axes' values of the number-th configuration; None when there is none.

        Raises InfeasibleError when the search for it takes too long.
        """
        if self._total is None:
            row = self.listing.row(number)
            return None if row is None else self.of_row(row)
        if number >= self._total:
            return None
        digits = self._counting.digits(number)
        return values_of(
            self.layout.order, [INACTIVE if one is None else one for one in digits]
        )

    def of_row(self, row: Rows) -> Values:
        """The axes' values of a row."""
        return values_of(self.layout.order, row.tolist())

    @cached_property
    def rows(self) -> Rows | None:
        """Every configuration; None for more than `listing.MOST_LISTED`."""
        if self._total is not None and self._total > MOST_LISTED:
            return None
        return self.listing.all

    @cached_property
    def log_masses(self) -> NDArray[np.float64]:
        """The logarithms of the rows' probabilities, up to a common factor."""
        rows = self.listing.all
        if rows is None:
            raise ValueError("The space has too many configurations to list.")
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
        masses = np.exp(self.log_masses - np.max(self.log_masses))
        number = rng.choice(len(masses), p=masses / masses.sum())
        return self.of_row(self.rows[number])

    @cached_property
    def listing(self) -> Listing:
        return Listing(self.layout, screens(self.layout, self.constraints))

    @cached_property
    def _total(self) -> int | None:
        """The number by counting alone; None where configurations have to be tried."""
        return None if self.listing.screens else self._counting.total

    @cached_property
    def _counting(self) -> Counting:
        return Counting(self.layout)
