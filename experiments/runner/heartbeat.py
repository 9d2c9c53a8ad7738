"""The runner's one extra thread: it talks to the site while training runs.

Requests may hang for seconds. Here they delay neither the reading of output nor the
noticing of signals and of the training's end.

Signs of life while a trial is prepared, before any training process runs.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable

from experiments.runner.delivery import Channels
from experiments.runner.errors import SiteAway, SiteError, StaleAttempt, Stop
from experiments.runner.folder import AttemptFolder
from experiments.runner.outcome import released_early, stopped_early
from experiments.runner.process_tree import ProcessTree
from experiments.runner.signals import Signals

logger = logging.getLogger(__name__)

TICK = 0.5
# A trial that is over sooner needs no sign of life beside its claim and its end.
FIRST_BEAT = 2.0
LOG_EVERY = 1.0
SPREAD = 0.1


class HeartbeatThread(threading.Thread):
    """Beats, ships the log and empties a forgotten spool; tells of stops by `wake`."""

    def __init__(
        self,
        channels: Channels,
        *,
        tree: ProcessTree,
        folder: AttemptFolder,
        beat_seconds: float,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(name="courier", daemon=True)
        self.stop: Stop | None = None
        self.stale: StaleAttempt | None = None
        self._site = channels.site
        self._tree = tree
        self._folder = folder
        self._log = channels.shipper
        self._spool = channels.spool
        self._beat_seconds = beat_seconds
        self._wake = wake
        self._away = False
        self._only_beats = False
        self._over = threading.Event()
        now = time.monotonic()
        self._beat_at = now + min(FIRST_BEAT, beat_seconds)
        self._log_at = now
        self._lease = channels.lease

    def run(self) -> None:
        while not self._over.is_set() and self.stale is None:
            try:
                self._round(time.monotonic())
            except StaleAttempt as news:
                # A beat may come just after the word of the end.
                level = logging.DEBUG if self._only_beats else logging.WARNING
                logger.log(level, "the attempt is no longer ours: %s", news)
                self.stale = news
                self._wake()
            except SiteError as problem:
                self._note_absence(problem)
            except Exception:
                # Without beats the site would give the attempt to another worker.
                logger.exception("the courier goes on after an unexpected error")
            self._over.wait(min(TICK, max(0.01, self._beat_at - time.monotonic())))

    def only_beat(self) -> None:
        """From now on leave log and spool alone: the main thread sends the rest."""
        self._only_beats = True

    def finish(self) -> None:
        """Send nothing any more, once a request under way has ended."""
        self._over.set()

    def _round(self, now: float) -> None:
        if now >= self._beat_at:
            self._beat(now)
        if self._away or self._only_beats:
            return
        if now >= self._log_at and self._log.send_next():
            self._log_at = now + LOG_EVERY
        self._spool.send_forgotten()
        self._take(self._spool.stop)

    def _beat(self, now: float) -> None:
        spread = random.uniform(1 - SPREAD, 1.0)  # noqa: S311 - only spreads the load
        self._beat_at = now + self._beat_seconds * spread
        self._folder.touch()
        asked_at = time.monotonic()
        stop = self._site.beat(
            elapsed=self._tree.elapsed(),
            pid=self._tree.pid,
            memory=self._tree.memory_bytes(),
        )
        self._lease.note_answer(asked_at)
        if self._away:
            logger.info("the site answers again")
        self._away = False
        self._take(stop)

    def _take(self, stop: Stop | None) -> None:
        if stop is not None and self.stop is None:
            logger.info("the site asks to stop: %s", stop.message)
            self.stop = stop
            self._wake()

    def _note_absence(self, problem: SiteError) -> None:
        """Train on: whatever cannot be sent now stays on the worker's disk."""
        self._lease.note_absence(problem)
        if not self._away:
            logger.warning("the site is away, training goes on: %s", problem)
        self._away = True


LOOK = 0.25


class PreparationHeartbeat:
    """Beats with the phase that the trial is in, and sends what its log has so far."""

    def __init__(
        self, channels: Channels, *, signals: Signals, beat_seconds: float
    ) -> None:
        self._site = channels.site
        self._shipper = channels.shipper
        self._lease = channels.lease
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
            self._lease.note_absence(problem)
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
        self._lease.note_answer(asked_at)
        if stop is not None:
            raise stopped_early(stop)
