"""When a worker leaves by itself: after a while without work, or before its time ends.

A cluster gives a job some hours and then kills it. A worker that drains and leaves in
time loses no trial: what still runs returns to the queue at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MIN_TIME_LIMIT = 65.0
# Seconds before the time limit: of the last new trial, and of the stop, which needs
# about 13. Of a short limit, at most these shares.
DRAIN_BEFORE, STOP_BEFORE = 60.0, 20.0
DRAIN_SHARE, STOP_SHARE = 0.4, 0.2
MIN_BEAT = 1.0
# Between two heartbeats; after a longer one the site was away.
MAX_GAP = 12.0
# The moment at which Slurm kills the job, in seconds since 1970.
SLURM_END = "SLURM_JOB_END_TIME"


def seconds_of_job(environment: Mapping[str, str], now: float) -> float | None:
    """The seconds that Slurm leaves the job which this process runs in, if it does."""
    end = environment.get(SLURM_END, "")
    return float(end) - now if end.isascii() and end.isdecimal() else None


@dataclass
class Departure:
    """Decides on a monotonic clock whether a worker still takes trials, and stays.

    `idle`: the seconds without a trial after which it leaves. `time_limit`: the seconds
    after which it would be killed. None: it stays.
    """

    idle: float | None = None
    time_limit: float | None = None
    started_at: float = 0.0
    # The site's last answer: when, and how many trials there were.
    noted_at: float = 0.0
    busy: int = 0
    # Seconds without a trial while the site answered.
    idle_for: float = 0.0

    def beat_every(self, usual: float) -> float:
        """Seconds between heartbeats, which tell whether there is work."""
        return usual if self.idle is None else max(MIN_BEAT, min(usual, self.idle))

    def start(self, now: float) -> None:
        self.started_at = self.noted_at = now

    def note(self, busy: int, now: float) -> None:
        """The site's answer: how many trials the worker runs or is about to run."""
        gap = now - self.noted_at
        self.idle_for = 0.0 if busy else self.idle_for + min(gap, MAX_GAP)
        self.busy, self.noted_at = busy, now

    def drain_reason(self, now: float) -> str:
        """Why it takes no more trials; empty: it does."""
        if self._is_within(min(DRAIN_BEFORE, DRAIN_SHARE * self._limit), now):
            return "The time limit of this worker is nearly over."
        if self.idle is not None and self.idle_for >= self.idle:
            return f"This worker had no trial for {self.idle:g} seconds."
        return ""

    def is_due(self, now: float, *, draining: bool) -> bool:
        """Whether to leave now. A draining worker first ends its trials, if it can."""
        if self._is_within(min(STOP_BEFORE, STOP_SHARE * self._limit), now):
            return True
        leaves = self.idle is not None or bool(self.drain_reason(now))
        return leaves and draining and not self.busy

    @property
    def _limit(self) -> float:
        return self.time_limit or 0.0

    def _is_within(self, seconds: float, now: float) -> bool:
        if self.time_limit is None:
            return False
        return now >= self.started_at + self.time_limit - seconds
