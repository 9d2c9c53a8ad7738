"""A space with finitely many configurations: their number, and each by its index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.space.constraints import Constraint
from experiments.search.space.counting import MAX_LISTED, Enumeration, Part, parts_of
from experiments.search.space.layout import Layout, Values
from experiments.search.space.row_filters import INACTIVE, Rows, row_filters, values_of


@dataclass(frozen=True)
class FiniteSpace:
    """A layout whose axes all have finitely many values, and its constraints.

    Configurations are in the layout's order, the last axis fastest. Rows hold digits,
    one for each axis in that order.
    """

    layout: Layout
    constraints: tuple[Constraint, ...]

    @cached_property
    def count(self) -> int | None:
        """The exact number; None if counting takes too long."""
        number = 1
        for part in sorted(self._parts, key=lambda part: part.combinations):
            if part.count is None:
                return None
            number *= part.count
        return number

    @cached_property
    def count_words(self) -> str:
        """The number as text: `12`, `about 46,000` or `at most 1,000,000`."""
        if self.count is not None:
            return f"{self.count:,}"
        estimates = [part.estimate for part in self._parts if part.count is None]
        if all(estimates):
            known = (part.count for part in self._parts if part.count is not None)
            return f"about {math.prod(estimates) * math.prod(known):,}"
        most = (part.count or part.combinations for part in self._parts)
        return f"at most {math.prod(most):,}"

    def values(self, number: int) -> Values | None:
        """The axes' values of the configuration with a number; None if there is none.

        Raises InfeasibleError when it takes too long to find.
        """
        if self.count is not None and number >= self.count:
            return None
        if self.rows is not None:
            return self.of_row(self.rows[number])
        return self.enumerated(number)

    def enumerated(self, number: int) -> Values | None:
        """As `values`, by enumerating the space up to there."""
        tail = self.layout.order[self.enumeration.depth :]
        digits: list[int] = []
        for axis in reversed(tail):
            number, digit = divmod(number, axis.distribution.count() or 1)
            digits.insert(0, digit)
        row = self.enumeration.row(number)
        if row is None:
            return None
        head = row.tolist()[: self.enumeration.depth]
        return values_of(self.layout.order, [*head, *digits])

    def of_row(self, row: Rows) -> Values:
        """The axes' values of a row."""
        return values_of(self.layout.order, row.tolist())

    @cached_property
    def rows(self) -> Rows | None:
        """Every configuration; None for more than MAX_LISTED, or when not counted."""
        if self.count is None or self.count > MAX_LISTED:
            return None
        if not self.count:
            return np.empty((0, len(self.layout.order)), np.int64)
        rows = np.empty((1, len(self.layout.order)), np.int64)
        for part in self._parts:
            own = part.rows
            if own is None:
                return None
            places = [self._places[axis.name] for axis in part.layout.order]
            number = len(rows)
            rows = np.repeat(rows, len(own), axis=0)
            rows[:, places] = np.tile(own, (number, 1))
        return rows[np.lexsort(rows.T[::-1])] if self._parts else rows

    @cached_property
    def log_masses(self) -> NDArray[np.float64]:
        """The logarithms of the rows' probabilities, up to a common factor."""
        rows = self._listed_rows
        sums = np.zeros(len(rows))
        for place, axis in enumerate(self.layout.order):
            digits = rows[:, place]
            if axis.distribution.partition is None or not (digits != INACTIVE).any():
                continue
            with np.errstate(divide="ignore"):
                own = np.log(axis.distribution.partition.masses())
            sums += np.where(digits == INACTIVE, 0.0, own[digits])
        return sums

    def drawn(self, rng: np.random.Generator) -> Values | None:
        """One configuration by its probability; None if they cannot be listed."""
        if self.rows is None or not len(self.rows):
            return None
        return self.of_row(self.drawn_rows(rng, 1)[0])

    def drawn_rows(self, rng: np.random.Generator, number: int) -> Rows:
        """Rows by their probability, of a space that can be listed."""
        masses = np.exp(self.log_masses - np.max(self.log_masses))
        chosen = rng.choice(len(masses), number, p=masses / masses.sum())
        return self._listed_rows[chosen]

    @property
    def _listed_rows(self) -> Rows:
        if self.rows is None:
            raise ValueError("The space has too many configurations to list.")
        return self.rows

    @cached_property
    def enumeration(self) -> Enumeration:
        """Enumerates the axes up to the last one that is not free."""
        bound = (part.layout.order for part in self._parts if not part.is_free)
        places = (self._places[axis.name] for axes in bound for axis in axes)
        depth = max(places, default=-1) + 1
        return Enumeration(
            self.layout, row_filters(self.layout, self.constraints), depth
        )

    @cached_property
    def _parts(self) -> list[Part]:
        return parts_of(self.layout, self.constraints)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {axis.name: place for place, axis in enumerate(self.layout.order)}
