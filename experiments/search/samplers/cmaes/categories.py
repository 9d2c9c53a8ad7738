"""The probabilities of categories that the strategy adapts beside its normal law."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.search.samplers.cmaes.gaussian import Reals
from experiments.search.samplers.cmaes.weights import Weights


@dataclass(frozen=True)
class Categories:
    """One categorical law for each of some axes: their values' probabilities."""

    laws: tuple[Reals, ...]

    def drawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The number of a value for each axis."""
        shares = rng.random(len(self.laws))
        return np.array(
            [
                min(int(np.searchsorted(np.cumsum(law), share)), len(law) - 1)
                for law, share in zip(self.laws, shares, strict=True)
            ],
            np.int64,
        )

    def after(
        self, digits: NDArray[np.int64], active: NDArray[np.bool_], weights: Weights
    ) -> Categories:
        """After a generation: the values' numbers of its better half, best first.

        A step along the natural gradient (Hamano and others, 2024), by the trials in
        which the axis is active. Every value keeps a probability.
        """
        laws = []
        for axis, law in enumerate(self.laws):
            rate = weights.effective / (weights.effective + len(law) + 1)
            own = weights.recombination * active[:, axis]
            found = np.bincount(
                digits[active[:, axis], axis], own[active[:, axis]], len(law)
            )
            moved = law + rate * (found - own.sum() * law)
            least = (1 - 0.73 ** (1 / len(self.laws))) / (len(law) - 1)
            moved = np.maximum(moved, min(least, 1 / len(law)))
            laws.append(moved / moved.sum())
        return replace(self, laws=tuple(laws))
