"""Grid search, and the distinct configurations of a finite space in random order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.search.fields import Problem
from experiments.search.history import History
from experiments.search.records import JSONValue
from experiments.search.samplers.sampler import Sampler, Suggestion
from experiments.search.space.distribution import identity
from experiments.search.space.row_filters import Rows
from experiments.search.space.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class GridSampler(Sampler):
    """Trial k is the k-th point of the grid: document order, last parameter fastest.

    Inactive parameters have no values, and configurations that the constraints rule out
    are skipped. A parameter changes more slowly than those that depend on it.

    Azure's grid takes `choice` only. This one takes every distribution with finitely
    many values: also randint, int, float with step, quniform and qloguniform.
    """

    kind: ClassVar[str] = "grid"
    title: ClassVar[str] = "Grid"
    advice: ClassVar[str] = "Every combination of listed values, in order."
    needs_history: ClassVar[bool] = False

    @classmethod
    def space_problems(cls, space: SearchSpace) -> Iterator[Problem]:
        for axis in space.axes.values():
            law = axis.distribution
            if law.count() is None:
                yield Problem(
                    axis.name.partition(".")[0],
                    f"A grid needs values that can be listed, and {axis.address} is "
                    f"{law.kind}. Allowed are choice, randint, int, quniform, "
                    "qloguniform and float with step.",
                )

    def propose(self, number: int, history: History) -> Suggestion | None:
        params = self.configuration(number)
        return None if params is None else Suggestion(params, self.kind)

    def describe(self, history: History) -> str:
        count = self.space.count_words()
        return f"Going through the grid in order: {count} configurations."

    def configuration(self, number: int) -> dict[str, JSONValue] | None:
        """The number-th point of the grid, from 0; None after the last one."""
        values = self.space.finite.values(number)
        return None if values is None else self.space.layout.params_of(values)


@dataclass
class Untried:
    """The choices of a sampler in their order, without configurations tried before.

    `tried` holds the `identity` of those. A number always gives the same choice; how
    many of the sampler's choices were checked is remembered.
    """

    sampler: Sampler
    tried: frozenset[str]
    _places: list[int] = field(default_factory=list, init=False)
    _next: int = field(default=0, init=False)

    def suggest(self, number: int) -> Suggestion | None:
        """The number-th choice that was not tried, from 0; None after the last one."""
        while len(self._places) <= number:
            suggestion = self.sampler.suggest(self._next)
            if suggestion is None:
                return None
            if identity(suggestion.params) not in self.tried:
                self._places.append(self._next)
            self._next += 1
        return self.sampler.suggest(self._places[number])


BLOCK = 1024
# After this many independent draws all configurations become equally likely: a very
# uneven distribution would repeat itself without end.
MAX_DRAWS = 2**18
# If the configurations cannot be counted, this many draws in a row without a new one
# mean that there are no more.
MAX_BARREN_DRAWS = 2**18


def ranked(
    log_masses: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """All configurations' indices in the order of successive sampling.

    An exponential race: configuration i arrives after an exponential time with its
    probability as the rate, and the order of arrival is that of successive draws
    without replacement (Efraimidis and Spirakis, 2006).
    """
    arrivals = np.log(rng.standard_exponential(len(log_masses))) - log_masses
    return np.argsort(arrivals, kind="stable").astype(np.int64)


@dataclass
class DistinctDraws:
    """The distinct configurations of a finite space in the order of a seeded stream.

    The k-th is what repeated independent draws would give as the k-th new one. Draws
    are remembered.
    """

    space: SearchSpace
    seed: int
    _rows: list[NDArray[np.int64]] = field(default_factory=list, init=False)
    _seen: set[bytes] = field(default_factory=set, init=False)

    def configuration(self, number: int) -> dict[str, JSONValue] | None:
        """The number-th distinct configuration, from 0; None when there are no more."""
        row = self.row(number)
        if row is None:
            return None
        return self.space.layout.params_of(self.space.finite.of_row(row))

    def row(self, number: int) -> Rows | None:
        """The same as the numbers of the values, in the order of the layout's axes."""
        finite = self.space.finite
        if finite.count is not None and number >= finite.count:
            return None
        if finite.rows is not None:
            return np.asarray(finite.rows[self._order[number]])
        barren = 0
        while len(self._rows) <= number:
            found = self._extend(next(self._blocks))
            barren = 0 if found else barren + BLOCK
            if finite.count is None and barren >= MAX_BARREN_DRAWS:
                return None
        return self._rows[number]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        masses = self.space.finite.log_masses
        return ranked(masses, np.random.default_rng(self.seed))

    @cached_property
    def _blocks(self) -> Iterator[Rows]:
        return self._drawn_blocks()

    def _drawn_blocks(self) -> Iterator[Rows]:
        rng = np.random.default_rng(self.seed)
        axes = self.space.layout.order
        laws = [
            axis.distribution.partition
            for axis in axes
            if axis.distribution.partition is not None
        ]
        sizes = np.array([law.size for law in laws])
        allowed = self.space.finite.enumeration.allowed
        for _ in range(MAX_DRAWS // BLOCK):
            shares = rng.random((BLOCK, len(sizes)))
            columns = zip(laws, shares.T, strict=True)
            yield allowed(
                np.column_stack([law.indices(column) for law, column in columns])
            )
        while True:
            yield allowed(rng.integers(0, sizes, (BLOCK, len(sizes))))

    def _extend(self, block: Rows) -> int:
        """Add the new rows and return how many there were."""
        before = len(self._rows)
        for row in block:
            mark = row.tobytes()
            if mark not in self._seen:
                self._seen.add(mark)
                self._rows.append(row)
        return len(self._rows) - before
