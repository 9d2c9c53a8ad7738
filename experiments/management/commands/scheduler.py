"""``manage.py scheduler``: the loop that dispatches trials and recovers lost ones."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections
from django.db.models.functions import Now

from experiments import lifecycle, queues
from experiments.audit import syslog
from experiments.cleanup import measure, purge, rules, tasks, trash
from experiments.db.clock import Steps, database_now
from experiments.db.problems import explain
from experiments.db.wal import MAX_WAL, start_checkpoints
from experiments.models import Event, IdempotencyKey, SchedulerProcess
from experiments.notifications import facts, outbox
from experiments.scheduling.recovery import (
    Silence,
    all_workers_are_silent,
    recover,
)
from experiments.scheduling.rounds import advance_all
from experiments.tracking import compaction

logger = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
RECOVER_EVERY = 3.0
HEARTBEAT_EVERY = 5.0
# Rows of processes that ended longer ago are deleted.
KEEP = timedelta(days=1)


class Command(BaseCommand):
    help = "Dispatches trials and recovers lost ones. Any number may run."
    # The checks would load every page.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # Only when no web server does it.
        start_checkpoints(max_wal=4 * MAX_WAL)
        loop = Rounds()
        connection = queues.connect(retries=0)
        while not self.stopping:
            started = time.monotonic()
            loop.round()
            # 'up' restarts a scheduler that no longer does it.
            with contextlib.suppress(OSError):
                (settings.HOME / "scheduler_round").touch()
            if (
                not queues.wait_for_wake(connection, seconds=ROUND_SECONDS)
                and not self.stopping
            ):
                # Without the queue the wait returns at once; keep the pace.
                time.sleep(max(0.0, started + ROUND_SECONDS - time.monotonic()))
        loop.heartbeat.stop()

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True


class Rounds:
    """Scheduling rounds, with a recovery in some of them.

    A silent worker counts as dead only after a whole lease of undisturbed rounds. After
    a start of this process, a sleep of the machine or a change of the database's clock,
    workers get a lease to send a heartbeat. The same holds when no worker at all sends
    one: then the site itself was away.
    """

    def __init__(self) -> None:
        self._last = self._undisturbed_since = time.monotonic()
        self._silent_at = float("-inf")
        self._recovered = self._deleted = float("-inf")
        self._steps = Steps()
        self._stepped = False
        self.heartbeat = SchedulerHeartbeat()

    def round(self) -> None:
        now = time.monotonic()
        if now - self._last > settings.LEASE_SECONDS / 2:
            self._undisturbed_since = now
        self._last = now
        close_old_connections()
        try:
            if now - self._recovered >= RECOVER_EVERY:
                self._recovered = now
                self._recover(now)
                outbox.start_sending()
            if now - self._deleted >= trash.EVERY:
                self._deleted = now
                purge.resume_purge()
                tasks.resume_tasks()
                compaction.start_compaction()
                measure.measure_if_due()
                rules.start_rules()
                if old := Event.delete_old():
                    logger.info("deleted %s old events", old)
                outbox.delete_old()
                IdempotencyKey.old().delete()
                facts.note_facts()
                syslog.start_sending()
            advance_all()
            self.heartbeat.note(time.monotonic() - now)
        except DatabaseError as error:
            # While the database was away, no heartbeat could be noted either.
            self._undisturbed_since = time.monotonic()
            _log_failure(explain(error))
        except Exception:
            _log_failure()

    def _was_set(self) -> bool:
        """Whether the database's clock was set since the last recovery."""
        if self._steps.seen():
            logger.warning("the database's clock was set, or this machine slept")
            self._stepped = True
        return self._stepped

    def _recover(self, now: float) -> None:
        if self._was_set():
            self._undisturbed_since = now
            lifecycle.renew_ask_heartbeats()
            # Without a database the next recovery does it.
            self._stepped = False
        if all_workers_are_silent():
            self._silent_at = now
        recover(partial(self._silence, now))

    def _silence(self, now: float) -> Silence:
        lease = settings.LEASE_SECONDS
        if now - self._undisturbed_since <= lease or self._was_set():
            return Silence.NONE
        return Silence.STOPPING if now - self._silent_at <= lease else Silence.ALL


def _log_failure(reason: str = "") -> None:
    """For any error: without rounds the whole site would stop."""
    if reason:
        logger.error("a round failed; the next one tries again. %s", reason)
    else:
        logger.exception("a round failed; the next one tries again")
    time.sleep(ROUND_SECONDS)


class SchedulerHeartbeat:
    """One scheduler's row: made at its first round, renewed by later ones."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._row = 0
        self._noted = float("-inf")
        self._longest = 0.0

    def note(self, seconds: float) -> None:
        """Note a round and its seconds. Raises DatabaseError."""
        self._longest = max(self._longest, seconds)
        if self._now() - self._noted < HEARTBEAT_EVERY:
            return
        facts = {"round_seconds": seconds, "longest_seconds": self._longest}
        renewed = SchedulerProcess.objects.filter(pk=self._row).update(
            heartbeat_at=Now(), stopped_at=None, **facts
        )
        if not renewed:
            self._begin(facts)
        self._noted, self._longest = self._now(), 0.0

    def _begin(self, facts: dict[str, float]) -> None:
        old = database_now() - KEEP
        SchedulerProcess.objects.filter(heartbeat_at__lt=old).delete()
        self._row = SchedulerProcess.objects.create(
            host=socket.gethostname()[:100],
            pid=os.getpid(),
            version=settings.VERSION,
            **facts,
        ).pk

    def stop(self) -> None:
        """Note the end, if the database responds."""
        with contextlib.suppress(DatabaseError):
            SchedulerProcess.objects.filter(pk=self._row).update(stopped_at=Now())
