"""Following sums and products from axis to axis: only what they are so far matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from experiments.search.arithmetic import combined
from experiments.search.chains import Chain, Link
from experiments.search.layout import Layout
from experiments.search.marks import BROKEN, MET, Mark
from experiments.search.screens import INACTIVE, Rows

# Sums below this are exact in any order.
MOST_EXACT = 2**53
# The mark of a sum without a result.
NOTHING = "no result"


@dataclass(frozen=True)
class Adding:
    """The exact sum or product so far, of links that may come in any order.

    `tables` have the numbers of each axis's digits, by place. Where some of these axes
    have gates (`gated`) the constraint may still turn out not to apply, and nothing is
    foreseen. `tested` is the work of single tests, of which there are none.
    """

    chain: Chain
    start: float
    tables: dict[int, list[float]]
    gated: bool
    tested: int = 0

    @cached_property
    def places(self) -> Sequence[int]:
        return list(self.tables)

    def toll(self, place: int) -> int:
        return 1

    @property
    def last(self) -> int:
        """The place of the last axis of the chain."""
        return self.places[-1]

    def passed(self, rows: Rows) -> Rows:
        """Those of the rows that meet the constraint."""
        active = (rows[:, self.places] != INACTIVE).all(axis=1)
        results = np.full(len(rows), self.start)
        for place, numbers in self.tables.items():
            found = np.array(numbers)[rows[:, place]]
            results = results * found if self.chain.is_product else results + found
        different, which = np.unique(results, return_inverse=True)
        passes = np.array([self.chain.passes(one) for one in different.tolist()], bool)
        kept: Rows = rows[~active | passes[which.reshape(-1)]]
        return kept

    def without(self, place: int, mark: Mark) -> Mark:
        return MET

    def after(self, place: int, mark: Mark) -> Sequence[Mark]:
        sofar: Any = mark
        found: list[float]
        if self.chain.is_product:
            found = [sofar * number for number in self.tables[place]]
        else:
            found = [sofar + number for number in self.tables[place]]
        if place == self.places[-1]:
            return [MET if self.chain.passes(one) else BROKEN for one in found]
        if self.gated or place not in self._rest:
            return found
        return [self._foreseen(place, one) for one in found]

    def _foreseen(self, place: int, mark: float) -> Mark:
        least, most = self._rest[place]
        if self.chain.is_product:
            ends = sorted((mark * least, mark * most))
        else:
            ends = [mark + least, mark + most]
        if ends[1] < self.chain.low or ends[0] > self.chain.high:
            return BROKEN
        if self.chain.passes(ends[0]) and self.chain.passes(ends[1]):
            return MET
        return mark

    @cached_property
    def _rest(self) -> dict[int, tuple[float, float]]:
        """The least and the largest that the axes after a place can add."""
        found: dict[int, tuple[float, float]] = {}
        least: float = 1 if self.chain.is_product else 0
        most = least
        for place in reversed(self.places):
            found[place] = least, most
            low, high = min(self.tables[place]), max(self.tables[place])
            if not self.chain.is_product:
                least, most = least + low, most + high
            elif low < 0:
                break
            else:
                least, most = least * low, most * high
        return found


@dataclass(frozen=True)
class Rounding:
    """The sum or product so far as floats make it, of links in the axes' own order."""

    chain: Chain
    groups: dict[int, list[Link]]
    tables: dict[int, list[float | None]]
    start: Mark = "start"

    @cached_property
    def places(self) -> Sequence[int]:
        return list(self.groups)

    def toll(self, place: int) -> int:
        return 4

    def without(self, place: int, mark: Mark) -> Mark:
        return MET

    def after(self, place: int, mark: Mark) -> Sequence[Mark]:
        found = [self._joined(place, mark, one) for one in self.tables[place]]
        if place != self.places[-1]:
            return found
        return [
            MET if isinstance(one, int | float) and self.chain.passes(one) else BROKEN
            for one in found
        ]

    def _joined(self, place: int, mark: Mark, number: float | None) -> Mark:
        for link in self.groups[place]:
            other = link.at(None) if link.address is None else number
            if mark == self.start:
                mark = other if other is not None else NOTHING
            else:
                result = combined(link.sign, mark, other)
                mark = NOTHING if result is None else result
        return mark


def summed(
    layout: Layout, chain: Chain | None, *, room: int
) -> Adding | Rounding | None:
    """What follows a chain; None for others, or for more than `room` numbers."""
    if chain is None or len(chain.addresses) < 2:
        return None
    places = {axis.name: place for place, axis in enumerate(layout.order)}
    named = set(chain.addresses)
    # What stands inside a nested choice may be a constant where it is no axis.
    if any("." in name or layout.axes[name].branches for name in named):
        return None
    if sum(layout.axes[name].law.count() or 0 for name in chain.addresses) > room:
        return None
    return _adding(layout, chain, places) or _rounding(layout, chain, places)


def _adding(layout: Layout, chain: Chain, places: dict[str, int]) -> Adding | None:
    neutral = 1 if chain.is_product else 0
    start: float = neutral
    tables: dict[int, list[float]] = {}
    numbers = [_signed(layout, link, neutral) for link in chain.links]
    exact = [found for found in numbers if found is not None]
    if len(exact) < len(numbers) or not _is_exact(exact, chain.is_product):
        return None
    for link, found in zip(chain.links, exact, strict=True):
        if link.address is None:
            start = _put(chain, start, found[0])
            continue
        before = tables.get(places[link.address], [neutral] * len(found))
        pairs = zip(before, found, strict=True)
        tables[places[link.address]] = [_put(chain, *pair) for pair in pairs]
    ordered = {place: tables[place] for place in sorted(tables)}
    gated = any(layout.order[place].gates for place in ordered)
    return Adding(chain, start, ordered, gated)


def _put(chain: Chain, one: float, other: float) -> float:
    return one * other if chain.is_product else one + other


def _numbers(layout: Layout, link: Link) -> list[float | None]:
    """What a link is for each digit of its axis."""
    if link.address is None:
        return [link.at(None)]
    law = layout.axes[link.address].law
    return [link.at(law.at(digit)) for digit in range(law.count() or 0)]


def _signed(layout: Layout, link: Link, neutral: int) -> list[float] | None:
    """The same with the link's sign; None where one of them is no number."""
    found = [combined(link.sign, neutral, number) for number in _numbers(layout, link)]
    numbers = [number for number in found if number is not None]
    return numbers if len(numbers) == len(found) else None


def _is_exact(numbers: Sequence[Sequence[float]], is_product: bool) -> bool:
    """Whether no step can round, whatever the order."""
    scales = [max(one.as_integer_ratio()[1] for one in group) for group in numbers]
    largest = [max(map(abs, group)) for group in numbers]
    if is_product:
        pairs = zip(largest, scales, strict=True)
        return math.prod(max(1, most * scale) for most, scale in pairs) < MOST_EXACT
    return sum(largest) * max(scales) < MOST_EXACT


def _rounding(layout: Layout, chain: Chain, places: dict[str, int]) -> Rounding | None:
    decided = [places[address] for address in chain.addresses]
    if chain.needs_exactness or decided != sorted(set(decided)):
        return None
    groups: dict[int, list[Link]] = {}
    waiting: list[Link] = []
    tables: dict[int, list[float | None]] = {}
    for link in chain.links:
        waiting.append(link)
        if link.address is not None:
            place = places[link.address]
            groups[place], waiting = waiting, []
            tables[place] = _numbers(layout, link)
    groups[decided[-1]] += waiting
    return Rounding(chain, groups, tables)
