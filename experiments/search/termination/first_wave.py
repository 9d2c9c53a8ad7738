"""Trials that fall behind while none has run to its end: who cannot catch up."""

from __future__ import annotations

import math
from typing import NamedTuple

from experiments.search.curves import later_half
from experiments.search.levels import levels_of, noise_of
from experiments.search.termination.evidence import Evidence, Ranked, Rivals

FEWEST_REPORTS, FEWEST_RIVALS = 6, 2
# The trials at whose report so many or more are better may have to end.
BEHIND = 0.5
# How long trials are is unknown yet: they are given so many times the reports so far.
# Of a power law with exponent 1/2 that is this multiple of what it gained lately.
LENGTHENED = 4
STILL_GAINED = (1 - LENGTHENED**-0.5) / (2**0.5 - 1)
# A gap counts beyond so many standard deviations of a report's noise.
CLEAR_OF_NOISE = 2.5
# A trial is believed to gain so much of the gap even when it gained nothing lately.
SMALLEST_SHARE = 0.02


class Backlog(NamedTuple):
    """How far a trial is behind the leader at its report, and what it may gain."""

    leader: Ranked
    needed: float
    expected: float


def backlog_of(evidence: Evidence, rivals: Rivals) -> Backlog | None:
    """What a trial in the worse half has to make up; None where it is too early."""
    if evidence.report < FEWEST_REPORTS or len(rivals) < FEWEST_RIVALS:
        return None
    best, leader = evidence.own.best, rivals.leader()
    if leader is None or rivals.better_than(best) < BEHIND * (len(rivals) + 1):
        return None
    if math.isinf(best):
        return Backlog(leader, math.inf, 0.0)
    losses = evidence.losses()
    before = float(levels_of(losses)[later_half(evidence.report) - 1])
    recent = before - best if math.isfinite(before) else 0.0
    needed = best - leader.loss - CLEAR_OF_NOISE * (noise_of(losses) or 0.0)
    expected = STILL_GAINED * (recent + SMALLEST_SHARE * max(needed, 0.0))
    return Backlog(leader, needed, expected)
