"""When the site was last heard of, from an attempt's claim to its end."""

from __future__ import annotations

import math
import time

from experiments.runner.answers import SiteError, SiteSilent
from experiments.runner.spec import AttemptSpec

CUT_OFF = "cut_off"
# Parts of the lease: when a runner that hears nothing begins to end its training, and
# when that is over. At the whole lease the site may start another attempt.
CUT_OFF_AFTER, GONE_AFTER = 0.9, 1.0
# An answer counts as a late one for this many beats, however quick beats are.
LATE_BEATS, LATE_SECONDS = 2, 1.0


class Hearing:
    """Times of the monotonic clock. One for the whole attempt: a long preparation
    without an answer counts like a training without one."""

    def __init__(self) -> None:
        now = time.monotonic()
        # When a beat was sent that the site has accepted; at first, the claim.
        self.answered_at = now
        # When the site, or at least its host, was known to be there.
        self.heard_at = now

    def note_answer(self, asked_at: float) -> None:
        """A beat that was sent then has been accepted."""
        self.answered_at = self.heard_at = asked_at

    def note_absence(self, problem: SiteError) -> None:
        """Where the site's host refuses or answers with an error, the site itself is
        down, for everybody, and no other attempt can take over meanwhile."""
        if not isinstance(problem, SiteSilent):
            self.heard_at = time.monotonic()

    def answered_lately(self, spec: AttemptSpec) -> bool:
        late = max(LATE_BEATS * spec.heartbeat_seconds, LATE_SECONDS)
        return time.monotonic() - self.answered_at < late

    def cut_off_at(self, spec: AttemptSpec) -> float:
        """From when on another attempt may begin elsewhere; infinity for never."""
        lease = spec.lease_seconds
        if not lease or spec.rides_out:
            return math.inf
        # Where beats are rarer than leases allow, silence between them means nothing.
        rarely = 2 * spec.heartbeat_seconds
        return self.heard_at + max(CUT_OFF_AFTER * lease, rarely)


def cut_off_message(lease: float) -> str:
    """Why an attempt that hears nothing ends, in words."""
    return (
        f"nothing was heard from the site for {CUT_OFF_AFTER * lease:g} s, and"
        " another attempt may begin"
    )
