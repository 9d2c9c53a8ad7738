"""The points of a scrambled Sobol sequence by their numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

Points = NDArray[np.float64]

# A power of two: a block is then a net of its own.
BLOCK = 256
# So many axes are those of the sequence. Further ones get independent uniform numbers
# (a padded sequence; Owen, 1998): late dimensions are no better for so few points.
MOST_AXES = 1000


@dataclass
class SobolSequence:
    """A Sobol sequence (Sobol, 1967; Joe and Kuo, 2008) that a seed has scrambled.

    Scrambling is Matousek's (1998): a random linear matrix and a digital shift. The
    k-th point depends on the seed and k only. Blocks that were computed are kept.
    """

    axes: int
    seed: int
    _blocks: dict[int, Points] = field(default_factory=dict, init=False)

    def point(self, number: int) -> Points:
        """The number-th point of the unit cube, from 0."""
        return np.asarray(self.block(number // BLOCK)[number % BLOCK])

    def block(self, place: int) -> Points:
        """The points from `place * BLOCK` on, BLOCK of them."""
        if place not in self._blocks:
            points = self._sequence_points(place)
            rng = np.random.default_rng([self.seed, place])
            padding = rng.random((BLOCK, self.axes - points.shape[1]))
            self._blocks[place] = np.column_stack([points, padding])
        return self._blocks[place]

    def _sequence_points(self, place: int) -> Points:
        if not self.axes:
            return np.empty((BLOCK, 0))
        self._engine.reset()
        if place:
            self._engine.fast_forward(place * BLOCK)
        return np.asarray(self._engine.random(BLOCK))

    @cached_property
    def _engine(self) -> scipy.stats.qmc.Sobol:
        # A generator, not a number: what a number means differs between versions.
        rng = np.random.default_rng(self.seed)
        return scipy.stats.qmc.Sobol(min(self.axes, MOST_AXES), scramble=True, seed=rng)
