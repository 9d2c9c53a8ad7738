"""The distribution of values (EDF), and trials that none beats in time and value."""

from __future__ import annotations

import numpy as np

from experiments.search.analysis.factors import Floats, Integers

MAX_POINTS = 500


def edf(values: Floats) -> list[tuple[float, float]]:
    """(value, share of values up to it), ascending; at most MAX_POINTS, with both
    ends."""
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return []
    last = np.append(known[1:] != known[:-1], True)
    places = np.flatnonzero(last)
    if len(places) > MAX_POINTS:
        kept = np.linspace(0, len(places) - 1, MAX_POINTS).round().astype(int)
        places = places[kept]
    shares = (places + 1) / len(known)
    return list(zip(known[places].tolist(), shares.tolist(), strict=True))


def pareto_front(costs: Floats, losses: Floats) -> Integers:
    """The places of trials that no other beats in both, by cost."""
    known = np.flatnonzero(np.isfinite(costs) & np.isfinite(losses))
    order = known[np.lexsort((losses[known], costs[known]))]
    before = np.minimum.accumulate(np.append(np.inf, losses[order])[:-1])
    found: Integers = order[losses[order] < before]
    return found


def knee(costs: Floats, losses: Floats) -> int | None:
    """The place on a front beyond which better values cost much: farthest from the
    line between its ends, both axes scaled to it. None for fewer than three."""
    if len(costs) < 3:
        return None
    across = (costs - costs[0]) / (costs[-1] - costs[0])
    down = (losses[0] - losses) / (losses[0] - losses[-1])
    return int(np.argmax(down - across))
