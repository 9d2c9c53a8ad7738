"""Signs of life while a trial is prepared, before any training process runs."""

from __future__ import annotations

import logging
import os
import time

from experiments.runner.answers import SiteAway
from experiments.runner.delivery import Channels
from experiments.runner.signals import Signals
from experiments.runner.unstarted import released_early, stopped_early

logger = logging.getLogger(__name__)

LOG_EVERY = 1.0
LOOK = 0.25


class Life:
    """Beats with the phase that the trial is in, and sends what its log has so far."""

    def __init__(
        self, channels: Channels, *, signals: Signals, beat_seconds: float
    ) -> None:
        self._site = channels.site
        self._shipper = channels.shipper
        self._hearing = channels.hearing
        self._signals = signals
        self._beat_seconds = beat_seconds
        self._phase = ""
        now = time.monotonic()
        self._beat_at = now + beat_seconds
        self._log_at = now + LOG_EVERY

    def enter(self, phase: str) -> None:
        """From now on the trial is in this phase, in words; said with the next beat,
        which comes at once when the phase is another one."""
        if phase != self._phase:
            self._phase = phase
            self._beat_at = min(self._beat_at, time.monotonic())

    def show(self) -> None:
        """Beat and send the log when that is due.

        Raises Unstarted when the trial shall not begin any more, and StaleAttempt.
        """
        if self._signals.terminations:
            raise released_early()
        now = time.monotonic()
        try:
            if now >= self._beat_at:
                self._beat(now)
            elif now >= self._log_at:
                self._log_at = now + LOG_EVERY
                self._shipper.send_next()
        except SiteAway as problem:
            self._hearing.note_absence(problem)
            logger.info("the site is away while the trial is prepared: %s", problem)

    def beat_now(self) -> None:
        """As show, with a beat whether one is due or not."""
        self._beat_at = time.monotonic()
        self.show()

    def wait(self, fd: int | None = None) -> bool:
        """Wait a moment, or until `fd` (watched by the signals) can be read."""
        due = self._beat_at - time.monotonic()
        ready = self._signals.wait(min(LOOK, max(0.01, due)))
        return fd in ready

    def _beat(self, now: float) -> None:
        """A long preparation must not cost the lease."""
        self._beat_at = now + self._beat_seconds
        asked_at = time.monotonic()
        stop = self._site.beat(
            elapsed=0.0, pid=os.getpid(), memory=0, phase=self._phase
        )
        self._hearing.note_answer(asked_at)
        if stop is not None:
            raise stopped_early(stop)
