"""Trials that are over so soon that their slots should not wait for the scheduler."""

from __future__ import annotations

import math

from experiments.models import Attempt, Sweep
from experiments.models.trials import AttemptState
from experiments.search.samplers import SAMPLERS

# Trials that take longer than this, in seconds, gain nothing worth an early choice.
QUICK = 20.0
# A round of the scheduler, its bells and a start take well below these seconds.
ROUND = 3.0
# By so many of its last attempts a sweep is judged, when it has had some at least.
LOOKED_AT, NEEDED = 8, 3


def goes_by_number(sweep: Sweep) -> bool:
    """Whether its choices are the same whatever its trials have brought."""
    kind = (sweep.definition.get("sampling_algorithm") or {}).get("type", "")
    sampler = SAMPLERS.get(str(kind))
    return sampler is not None and not sampler.needs_history


def share_ahead(sweep: Sweep) -> float:
    """For what share of a host's slots the next trial should be there before the slot
    is free, from 0 to 1: 0 where choices go by results, or trials take long."""
    if not goes_by_number(sweep):
        return 0.0
    last = (
        Attempt.objects.filter(
            trial__sweep=sweep, state=AttemptState.FINISHED, elapsed__isnull=False
        )
        .order_by("-pk")
        .values_list("elapsed", "claimed_at", "ended_at")[:LOOKED_AT]
    )
    # The training alone is less, but where the clock was set back meanwhile.
    took = [
        max(trained or 0.0, (end - start).total_seconds())
        for trained, start, end in last
        if start and end
    ]
    if len(took) < NEEDED:
        return 0.0
    mean = math.fsum(took) / len(took)
    return 0.0 if mean > QUICK else min(1.0, ROUND / max(mean, 0.001))
