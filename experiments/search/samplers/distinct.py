"""Distinct configurations of a finite space, in the order of a seeded random stream.

The k-th of them is what repeated independent draws would give as the k-th new
configuration: the law of successive sampling without replacement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.partitions import Partition
from experiments.search.records import JSONValue
from experiments.search.space import SearchSpace

# A space up to this size is put in order as a whole.
LARGEST_RANKED = 2**17
BLOCK = 1024
# So many independent draws from a larger space; from then on all configurations are
# equally likely, lest a very uneven law repeat itself without end.
MOST_DRAWS = 2**18


def ranked(partitions: list[Partition], rng: np.random.Generator) -> NDArray[np.int64]:
    """All configurations' indices in the order of successive sampling.

    An exponential race: configuration i arrives after an exponential time with its
    probability as the rate, and the order of arrival is that of successive draws
    without replacement (Efraimidis and Spirakis, 2006).
    """
    log_masses = np.zeros(1)
    with np.errstate(divide="ignore"):
        for partition in partitions:
            own = np.log(partition.masses())
            log_masses = (log_masses[:, np.newaxis] + own).ravel()
    arrivals = np.log(rng.standard_exponential(len(log_masses))) - log_masses
    return np.argsort(arrivals, kind="stable").astype(np.int64)


@dataclass
class DistinctDraws:
    """The stream of one seed over one finite space. What was drawn is remembered."""

    space: SearchSpace
    seed: int
    _rows: list[NDArray[np.int64]] = field(default_factory=list, init=False)
    _seen: set[bytes] = field(default_factory=set, init=False)

    def configuration(self, number: int) -> dict[str, JSONValue] | None:
        """The number-th distinct configuration, from 0; None when there are no more."""
        count = self.space.count()
        if count is None or number >= count:
            return None
        if count <= LARGEST_RANKED:
            return self.space.configuration(int(self._order[number]))
        while len(self._rows) <= number:
            self._extend(next(self._blocks))
        laws = self.space.parameters.items()
        digits = self._rows[number].tolist()
        return {
            name: law.at(digit) for (name, law), digit in zip(laws, digits, strict=True)
        }

    @cached_property
    def _partitions(self) -> list[Partition]:
        laws = self.space.parameters.values()
        return [law.partition for law in laws if law.partition is not None]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return ranked(self._partitions, np.random.default_rng(self.seed))

    @cached_property
    def _blocks(self) -> Iterator[NDArray[np.int64]]:
        return self._drawn_blocks()

    def _drawn_blocks(self) -> Iterator[NDArray[np.int64]]:
        rng = np.random.default_rng(self.seed)
        sizes = np.array([partition.size for partition in self._partitions])
        for _ in range(MOST_DRAWS // BLOCK):
            shares = rng.random((BLOCK, len(sizes)))
            columns = zip(self._partitions, shares.T, strict=True)
            yield np.column_stack([law.indices(column) for law, column in columns])
        while True:
            yield rng.integers(0, sizes, (BLOCK, len(sizes)))

    def _extend(self, block: NDArray[np.int64]) -> None:
        for row in block:
            identity = row.tobytes()
            if identity not in self._seen:
                self._seen.add(identity)
                self._rows.append(row)
