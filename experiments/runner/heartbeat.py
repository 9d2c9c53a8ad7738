"""Heartbeats of an attempt: from a thread while training runs, and between the steps of
its preparation."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from dataclasses import dataclass

from experiments.runner.delivery import AttemptContext
from experiments.runner.errors import SiteAway, SiteError, StaleAttempt, Stop
from experiments.runner.monitor import Monitor
from experiments.runner.outcome import released_early, stopped_early
from experiments.runner.process_tree import ProcessTree

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.5
# A shorter trial needs no heartbeat between its claim and its end.
FIRST_BEAT = 2.0
LOG_EVERY = 1.0
SPREAD = 0.1

WAIT_SECONDS = 0.25


@dataclass(frozen=True)
class EndedTree:
    """In the place of a training whose end another process saw."""

    seconds: float

    @property
    def pid(self) -> int:
        return os.getpid()

    def elapsed(self) -> float:
        return self.seconds

    def memory_bytes(self) -> int:
        return 0


class HeartbeatThread(threading.Thread):
    """Sends heartbeats, the log and a spool that the client has left.

    Requests may hang for seconds. In this thread they delay neither the reading of
    output nor the handling of signals and of the training's end. It wakes the main
    thread when the site asks the trial to stop.
    """

    def __init__(
        self,
        context: AttemptContext,
        *,
        tree: ProcessTree | EndedTree,
        monitor: Monitor | None = None,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._monitor = monitor
        self.stop: Stop | None = None
        self.stale: StaleAttempt | None = None
        self._context = context
        self._tree = tree
        self._beat_seconds = context.spec.heartbeat_seconds
        self._away = False
        self._only_beats = False
        self._over = threading.Event()
        now = time.monotonic()
        self._beat_at = now + min(FIRST_BEAT, self._beat_seconds)
        self._log_at = now

    def run(self) -> None:
        while not self._over.is_set() and self.stale is None:
            try:
                self._round(time.monotonic())
            except StaleAttempt as news:
                # A beat may arrive just after the finish report.
                level = logging.DEBUG if self._only_beats else logging.WARNING
                logger.log(level, "the attempt is no longer ours: %s", news)
                self.stale = news
                self._context.signals.wake()
            except SiteError as problem:
                self._note_absence(problem)
            except Exception:
                # Without heartbeats the site would start another attempt.
                logger.exception("unexpected error; heartbeats continue")
            self._over.wait(
                min(ROUND_SECONDS, max(0.01, self._beat_at - time.monotonic()))
            )

    def only_beat(self) -> None:
        """Leave log and spool alone from now on: the main thread sends the rest."""
        self._only_beats = True

    def finish(self) -> None:
        """Send nothing more after the current request."""
        self._over.set()

    def _round(self, now: float) -> None:
        if now >= self._beat_at:
            self._beat(now)
        if self._away or self._only_beats:
            return
        if now >= self._log_at and self._context.log_upload.send_next():
            self._log_at = now + LOG_EVERY
        self._context.spool.send_forgotten()
        self._take(self._context.spool.stop)
        self._context.collected.send_next()
        self._take(self._context.collected.stop)

    def _beat(self, now: float) -> None:
        spread = random.uniform(1 - SPREAD, 1.0)  # noqa: S311 - only spreads the load
        self._beat_at = now + self._beat_seconds * spread
        self._context.folder.touch()
        sent_at = time.monotonic()
        environment = self._monitor.environment if self._monitor else None
        stop = self._context.site.beat(
            elapsed=self._tree.elapsed(),
            pid=self._tree.pid,
            memory=self._tree.memory_bytes(),
            environment=environment,
        )
        if self._monitor and environment:
            self._monitor.environment = None
        self._context.lease.note_answer(sent_at)
        if self._away:
            logger.info("the site answers again")
        self._away = False
        self._take(stop)

    def _take(self, stop: Stop | None) -> None:
        if stop is not None and self.stop is None:
            logger.info("the site asks to stop: %s", stop.message)
            self.stop = stop
            self._context.signals.wake()

    def _note_absence(self, problem: SiteError) -> None:
        """Keep training: what cannot be sent now stays on the worker's disk."""
        self._context.lease.note_absence(problem)
        if not self._away:
            logger.warning("the site is away, training continues: %s", problem)
        self._away = True


class PreparationHeartbeat:
    """Sends heartbeats with the trial's current phase, and its log so far."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context
        self._beat_seconds = context.spec.heartbeat_seconds
        self._phase = ""
        now = time.monotonic()
        self._beat_at = now + self._beat_seconds
        self._log_at = now + LOG_EVERY

    def enter(self, phase: str) -> None:
        """Set the phase, in words. A new phase makes the next heartbeat due at once."""
        if phase != self._phase:
            self._phase = phase
            self._beat_at = min(self._beat_at, time.monotonic())

    def show(self) -> None:
        """Send a heartbeat, or the log, if one is due.

        Raises NotStarted when the trial must not begin any more, and StaleAttempt.
        """
        if self._context.signals.terminations:
            raise released_early()
        now = time.monotonic()
        try:
            if now >= self._beat_at:
                self._beat(now)
            elif now >= self._log_at:
                self._log_at = now + LOG_EVERY
                self._context.log_upload.send_next()
        except SiteAway as problem:
            self._context.lease.note_absence(problem)
            logger.info("the site is away while the trial is prepared: %s", problem)

    def beat_now(self) -> None:
        """As show, but always with a heartbeat."""
        self._beat_at = time.monotonic()
        self.show()

    def wait(self, fd: int | None = None) -> bool:
        """Wait a moment, or until `fd` (watched by the signals) can be read."""
        due = self._beat_at - time.monotonic()
        ready = self._context.signals.wait(min(WAIT_SECONDS, max(0.01, due)))
        return fd in ready

    def _beat(self, now: float) -> None:
        self._beat_at = now + self._beat_seconds
        sent_at = time.monotonic()
        stop = self._context.site.beat(
            elapsed=0.0, pid=os.getpid(), memory=0, phase=self._phase
        )
        self._context.lease.note_answer(sent_at)
        if stop is not None:
            raise stopped_early(stop)
