"""The logarithm of the expected improvement."""

from __future__ import annotations

import math

import numpy as np
import scipy

from experiments.search.surrogate.kernel import Reals

LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
ROOT_HALF = math.sqrt(0.5)
LEAST_Z = -1e8


def log_expected_improvement(means: Reals, deviations: Reals, best: float) -> Reals:
    """How much lower than `best` an outcome is expected to be, as a logarithm.

    Stays finite where the improvement itself would be 0 in floating point (Ament et
    al., 2023).
    """
    z = np.maximum((best - means) / deviations, LEAST_Z)
    return np.log(deviations) + log_improvement(z)


def log_improvement(z: Reals) -> Reals:
    """log(phi(z) + z Phi(z)) of the standard normal law."""
    found = np.empty_like(z)
    near = z > -1
    some = z[near]
    density = np.exp(-0.5 * some * some - LOG_ROOT_2PI)
    found[near] = np.log(density + some * scipy.special.ndtr(some))
    far = z[~near]
    # With Mills' ratio m: phi (1 - |z| m); the bracket tends to 1 / z^2.
    mills = math.sqrt(math.pi / 2) * scipy.special.erfcx(-far * ROOT_HALF)
    bracket = np.where(far > -1e5, 1.0 + far * mills, 1.0 / (far * far))
    found[~near] = -0.5 * far * far - LOG_ROOT_2PI + np.log(np.maximum(bracket, 1e-300))
    return found
