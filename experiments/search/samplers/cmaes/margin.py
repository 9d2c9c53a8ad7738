"""The margin that keeps axes with listed values from settling too early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy

from experiments.search.samplers.cmaes.gaussian import Gaussian, Reals


def with_margin(law: Gaussian, edges: dict[int, Reals], least: float) -> Gaussian:
    """The law, with a probability of at least `least` to leave the value of its mean.

    `edges` are, by axis, the inner bounds of the values' bands. The mean and the width
    along such an axis are corrected (Hamano, Saito, Nomura and Shirakawa, 2022).
    """
    mean, stretch = law.mean.copy(), law.stretch.copy()
    deviations = law.deviations
    for axis, bounds in edges.items():
        place = int(np.searchsorted(bounds, mean[axis]))
        if place in (0, len(bounds)):
            bound = bounds[0 if place == 0 else -1]
            reach = -float(scipy.special.ndtri(least)) * deviations[axis]
            mean[axis] = bound + np.clip(mean[axis] - bound, -reach, reach)
            continue
        low, high = bounds[place - 1], bounds[place]
        below, above = _corrected(
            float(scipy.special.ndtr((low - mean[axis]) / deviations[axis])),
            float(scipy.special.ndtr((mean[axis] - high) / deviations[axis])),
            least,
        )
        left, right = (-float(share) for share in scipy.special.ndtri([below, above]))
        mean[axis] = (low * right + high * left) / (left + right)
        width = (high - low) / (left + right)
        stretch[axis] *= width / deviations[axis]
    return replace(law, mean=mean, stretch=stretch)


def _corrected(below: float, above: float, least: float) -> tuple[float, float]:
    """The probabilities of falling below and above a band, at least half of `least`.

    What they gain is taken from all three in proportion to what is beyond the least.
    """
    inside = 1 - below - above
    raised = max(below, least / 2), max(above, least / 2)
    excess = 1 - raised[0] - raised[1] - inside
    share = excess / (raised[0] + raised[1] + inside - 1.5 * least)
    below, above = (one + share * (one - least / 2) for one in raised)
    # Half of the law is the most: the band's two bounds are on two sides of the mean.
    return min(below, 0.499), min(above, 0.499)
