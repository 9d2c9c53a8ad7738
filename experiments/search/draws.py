"""Draws from a whole space, axis by axis, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Axis
from experiments.search.batches import Batch, Mask
from experiments.search.feasibility import MOST_WORK
from experiments.search.screens import INACTIVE
from experiments.search.space import SearchSpace

# So many draws may be rejected for each one that is wanted.
MOST_REJECTED = 10


@dataclass(frozen=True)
class Column:
    """What one axis was in the draws in which it was active.

    The values' digits where the axis has finitely many, else `numbers`.
    """

    digits: NDArray[np.int64] | None
    numbers: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.numbers) if self.digits is None else len(self.digits)


def drawn_columns(
    space: SearchSpace, rng: np.random.Generator, most: int
) -> tuple[int, list[Column]]:
    """How many draws were made, and every axis's column, in the order of `space.axes`.

    Fewer than asked for, but at least one, where most draws are rejected. All meet the
    constraints and come by their probability.
    """
    if space.constraints and space.is_finite and space.finite.rows is not None:
        return most, _listed(space, rng, most)
    return _drawn(space, rng, most)


def _listed(space: SearchSpace, rng: np.random.Generator, number: int) -> list[Column]:
    """Draws from the list of all configurations."""
    rows = space.finite.drawn_rows(rng, number)
    places = {axis.name: place for place, axis in enumerate(space.layout.order)}
    digits = [rows[:, places[name]] for name in space.axes]
    return [Column(found[found != INACTIVE]) for found in digits]


def _drawn(
    space: SearchSpace, rng: np.random.Generator, most: int
) -> tuple[int, list[Column]]:
    batches: list[Batch] = []
    kept: list[Mask] = []
    found, mark = 0, space.rejection.work
    for size in space.rejection.sizes(most * MOST_REJECTED, first=most):
        batches.append(Batch(space.layout, rng.random((size, len(space.axes)))))
        mask = space.rejection.meeting(batches[-1])
        # The last batch may give more than was asked for.
        mask[np.flatnonzero(mask)[most - found :]] = False
        kept.append(mask)
        found += int(mask.sum())
        if found == most or space.rejection.work - mark > MOST_WORK // 4:
            break
    if not found:
        point = space.encode(space.sample(rng))
        batches, kept, found = [Batch(space.layout, point[None])], [np.array([True])], 1
    return found, [_column(axis, batches, kept) for axis in space.axes.values()]


def _column(axis: Axis, batches: Sequence[Batch], kept: Sequence[Mask]) -> Column:
    pairs = list(zip(batches, kept, strict=True))
    masks = [(batch, batch.active(axis) & mask) for batch, mask in pairs]
    if axis.law.partition is not None:
        digits = [batch.digits(axis)[mask] for batch, mask in masks]  # type: ignore[index]
        return Column(np.concatenate(digits))
    numbers: list[float] = []
    for batch, mask in masks:
        numbers += compress(batch.values(axis), mask)  # type: ignore[arg-type]
    return Column(None, numbers)
