"""Axes that are always active together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Gate
from experiments.search.samplers.tpe.coordinate import Coordinate
from experiments.search.surrogate.columns import Columns


class AxisGroup(NamedTuple):
    """Coordinates that are active together; `places` are theirs in the cube."""

    coordinates: tuple[Coordinate, ...]
    places: NDArray[np.int64]


def groups_of(columns: Columns) -> Iterator[AxisGroup]:
    """The axes with more than one value, by what they depend on."""
    places = {name: place for place, name in enumerate(columns.space.axes)}
    found: dict[frozenset[Gate], list[int]] = defaultdict(list)
    for axis in columns.space.layout.order:
        if not columns.all[places[axis.name]].constant:
            found[frozenset(axis.gates)].append(places[axis.name])
    for group in found.values():
        coordinates = tuple(Coordinate(columns.all[place]) for place in group)
        yield AxisGroup(coordinates, np.array(group, np.int64))
