"""What the model expects of configurations, given the outcomes of some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from experiments.search.surrogate.encoding import Features
from experiments.search.surrogate.fit import JITTER, Hyperparameters
from experiments.search.surrogate.kernel import Reals

LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Posterior:
    """A Gaussian process given outcomes (Rasmussen and Williams, 2006, algorithm 2.1).

    The last of `known` may be pending: each counts with the outcome that is expected of
    it (the kriging believer of Ginsbourger et al., 2010), which leaves all means as
    they were and narrows the variances.
    """

    hyperparameters: Hyperparameters
    known: Features
    factor: Reals
    alpha: Reals

    @classmethod
    def given(
        cls,
        hyperparameters: Hyperparameters,
        known: Features,
        outcomes: Reals,
        extra: Reals,
    ) -> Posterior:
        """`outcomes` and `extra` are those of the first of `known`."""
        kernel = hyperparameters.kernel
        matrix = kernel.between(known, known)
        matrix[np.diag_indices(len(matrix))] += hyperparameters.noise + JITTER
        finished = np.arange(len(outcomes))
        matrix[finished, finished] += extra
        factor, _ = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True)
        top = factor[: len(outcomes), : len(outcomes)]
        alpha = scipy.linalg.cho_solve((top, True), outcomes)
        return cls(hyperparameters, known, factor, alpha)

    def means(self, features: Features) -> Reals:
        """The expected outcomes."""
        count = len(self.alpha)
        kernel = self.hyperparameters.kernel
        found: Reals = kernel.between(features, self.known[:count]) @ self.alpha
        return found

    def predicted(self, features: Features) -> tuple[Reals, Reals]:
        """The expected outcomes, and the standard deviations without the noise."""
        kernel = self.hyperparameters.kernel
        cross = kernel.between(self.known, features)
        means = self.alpha @ cross[: len(self.alpha)]
        half = scipy.linalg.solve_triangular(
            self.factor, cross, lower=True, overwrite_b=True, check_finite=False
        )
        variances = kernel.variances(features) - (half * half).sum(0)
        return means, np.sqrt(np.maximum(variances, LEAST_VARIANCE))
