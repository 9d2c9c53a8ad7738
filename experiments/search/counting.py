"""How many configurations a finite space has: exactly, or about how many.

Parameters that no condition and no constraint ties together are counted apart, and the
numbers multiplied. A part of up to about a million combinations is gone through. In a
larger one draws say which share of the combinations are configurations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.search.constraints import Constraint
from experiments.search.layout import Layout
from experiments.search.listing import Listing
from experiments.search.screens import INACTIVE, Rows, screens

# A part with more combinations is gone through only if draws show few configurations.
MAX_ENUMERATED = 2**20
# The work for a part, in rows that are looked at: about a quarter of a second.
MAX_WORK = 2**21
# More configurations than this are counted but not listed.
MAX_LISTED = 2**17
# An estimate is made from so many draws, and from fewer where each takes long.
MAX_DRAWS = 2**14
BATCH = 2**10
# From so many draws on that are configurations, two digits of an estimate are given.
MIN_FOR_TWO_DIGITS = 100


@dataclass(frozen=True)
class Part:
    """Axes that conditions and constraints tie together, and these constraints."""

    layout: Layout
    constraints: tuple[Constraint, ...]

    @property
    def is_free(self) -> bool:
        """Whether this is a single axis that nothing restricts."""
        return len(self.layout.order) == 1 and not self.listing.screens

    @cached_property
    def combinations(self) -> int:
        """The number of combinations, without conditions and constraints."""
        return math.prod(axis.law.count() or 1 for axis in self.layout.order)

    @cached_property
    def count(self) -> int | None:
        """The exact number of configurations; None if it takes too much to find out."""
        if self.is_free:
            return self.combinations
        return None if self._enumerated is None else self._enumerated[0]

    @cached_property
    def estimate(self) -> int:
        """About how many configurations there are; 0 if no draw was one."""
        share, hits = self._drawn
        number = self.combinations * round(share * 2**53) >> 53
        places = 2 if hits >= MIN_FOR_TWO_DIGITS else 1
        return int(round(number, places - len(str(number))))

    @cached_property
    def rows(self) -> Rows | None:
        """The digits of every configuration in order, where they can be listed."""
        if self.count is None or self.count > MAX_LISTED:
            return None
        if self.is_free:
            return np.arange(self.count).reshape(-1, 1)
        blocks = [] if self._enumerated is None else self._enumerated[1]
        return np.concatenate(
            [np.empty((0, len(self.layout.order)), np.int64), *blocks]
        )

    @cached_property
    def listing(self) -> Listing:
        tests = screens(self.layout, self.constraints)
        return Listing(self.layout, tests, len(self.layout.order))

    @cached_property
    def _enumerated(self) -> tuple[int, list[Rows]] | None:
        """The number of configurations, and the first of them."""
        is_large = self.combinations > MAX_ENUMERATED
        if is_large and self.estimate > MAX_ENUMERATED:
            return None
        number, kept, before = 0, [], self.listing.work
        for block in self.listing.blocks():
            number += len(block)
            if number <= MAX_LISTED:
                kept.append(block)
            if self.listing.work - before > MAX_WORK:
                return None
        return number, kept

    @cached_property
    def _drawn(self) -> tuple[float, int]:
        """The share of the draws that are configurations, and the number of these.

        A combination counts once for all values of what is not active.
        """
        rng = np.random.default_rng(0)
        sizes = np.array([axis.law.count() for axis in self.layout.order], np.int64)
        hits, draws, weight, before = 0, 0, 0.0, self.listing.work
        while draws < MAX_DRAWS and self.listing.work - before < MAX_WORK:
            digits = rng.integers(0, sizes, (BATCH, len(sizes)))
            rows = self.listing.allowed(digits)
            weights = np.where(rows == INACTIVE, 1 / sizes, 1.0).prod(axis=1)
            draws += len(digits)
            hits += len(rows)
            weight += float(weights.sum())
        return weight / draws, hits


def parts_of(layout: Layout, constraints: Sequence[Constraint]) -> list[Part]:
    """The parts that have nothing to do with each other, in the layout's order."""
    links = [layout.named(rule.addresses) for rule in constraints]
    for axis in layout.order:
        links.append({axis.name, *(gate.axis for gate in axis.gates)})
    groups: list[set[str]] = []
    for link in links:
        tied = [group for group in groups if group & link]
        groups = [group for group in groups if not group & link]
        groups.append(link.union(*tied))
    return [_part(layout, constraints, group) for group in groups]


def _part(layout: Layout, constraints: Sequence[Constraint], group: set[str]) -> Part:
    axes = {name: axis for name, axis in layout.axes.items() if name in group}
    own = (rule for rule in constraints if layout.named(rule.addresses) & group)
    return Part(Layout(axes), tuple(own))
