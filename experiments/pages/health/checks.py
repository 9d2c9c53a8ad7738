"""What an admin should look after, in plain words with what to do; the worst first.

What every page tells an admin at its top: the queue or the scheduler is away, or
there is no room left for what they do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError
from django.db.models import Max
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from experiments import queues
from experiments.db.clock import database_now
from experiments.formatting import bytes_text, duration_text, share_text
from experiments.models import SchedulerProcess, User
from experiments.pages.health import disk
from experiments.pages.health.disk import Database, Disk
from experiments.pages.health.status import InstallationStatus, PoolWork, Work
from experiments.queues import QueueFacts

SCHEDULER_PATIENCE = 30.0
SLOW_ROUND = 10.0
MIN_FREE_SHARE = 0.05
# In bytes: with less all is over.
NOTHING_FREE = 1_000_000
MAX_WAL = 256 << 20
FULL, QUITE_FULL = 0.8, 0.95
MANY_LOST = 10
LONG_WAIT = 60.0


@dataclass(frozen=True)
class HealthIssue:
    """``grave``: work stands still or may be lost; else it should be seen to soon."""

    title: str
    text: str
    todo: str
    critical: bool = False

    @property
    def glyph(self) -> str:
        return "failed" if self.critical else "warning"


def health_issues(found: InstallationStatus) -> Sequence[HealthIssue]:
    told = [
        *queue_issues(found.queue),
        *scheduler_issues(found.work),
        *disk_issues(found.disk),
        *_database_issues(found.database),
        *_work_issues(found.work),
    ]
    return sorted(told, key=lambda issue: not issue.critical)


def queue_issues(queue: QueueFacts | None) -> Iterator[HealthIssue]:
    if queue is None:
        yield queue_is_down()
        return
    if queue.fill > FULL:
        full = queue.fill > QUITE_FULL
        yield HealthIssue(
            f"The queue's memory is {'full' if full else 'nearly full'}",
            f"It uses {bytes_text(queue.memory)} of {bytes_text(queue.limit)}"
            f" ({share_text(queue.fill)}). When it is full no new trial starts; trials"
            " that run go on, and nothing is lost.",
            "Raise maxmemory of the server, or look what else fills it.",
            critical=full,
        )
    if queue.policy not in ("", "noeviction"):
        yield HealthIssue(
            "The queue may throw jobs away",
            f"Its maxmemory-policy is {queue.policy}: when its memory is full it"
            " drops what it likes.",
            "Set maxmemory-policy to noeviction on the server.",
        )


def queue_is_down() -> HealthIssue:
    return HealthIssue(
        "The queue does not answer",
        "No new trial starts until it is back. Trials that run go on, and nothing"
        " is lost.",
        "Start the Valkey or Redis server, or look at REDIS_URL.",
        critical=True,
    )


def scheduler_issues(work: Work) -> Iterator[HealthIssue]:
    if lack := scheduler_is_down(work.heartbeat_age):
        yield lack
        return
    lately = [row for row in work.schedulers if row.stopped_at is None]
    slowest = max((row.longest_seconds for row in lately), default=0.0)
    if slowest > SLOW_ROUND:
        yield HealthIssue(
            "Rounds of the scheduler are slow",
            f"The longest one lately took {duration_text(slowest)}; slots stay free"
            " meanwhile.",
            "Look at its log, at the load of the database, and at sweeps whose sampler"
            " has thousands of trials to learn from.",
        )
    if others := {row.version for row in lately} - {settings.VERSION}:
        yield HealthIssue(
            "A scheduler of another version runs",
            f"It is {', '.join(sorted(others))}, this site is {settings.VERSION}.",
            "Update sweepsite where it runs, and start it again.",
        )


def scheduler_is_down(heartbeat_age: float | None) -> HealthIssue | None:
    """The issue, when none has gone round for half a minute, or ever."""
    if heartbeat_age is not None and heartbeat_age <= SCHEDULER_PATIENCE:
        return None
    told = "No scheduler has ever gone round here."
    if heartbeat_age is not None:
        told = f"The last one went round {duration_text(heartbeat_age)} ago."
    return HealthIssue(
        "No scheduler runs",
        f"{told} No trial is chosen, and what was lost is not repaired.",
        "Start one with: python manage.py scheduler",
        critical=True,
    )


def disk_issues(disk: Disk) -> Iterator[HealthIssue]:
    if disk.free_share < MIN_FREE_SHARE:
        full = disk.free < NOTHING_FREE
        yield HealthIssue(
            f"The disk of {disk.holds} is {'full' if full else 'nearly full'}",
            f"{bytes_text(disk.free)} of {bytes_text(disk.total)} are free"
            f" ({share_text(disk.free_share)}). When it is full, neither metrics nor"
            " outputs can be kept.",
            "Delete outputs of old sweeps in the administration, or give it more room.",
            critical=True,
        )


def _database_issues(database: Database) -> Iterator[HealthIssue]:
    if not database.sound:
        yield HealthIssue(
            f"SQLite {database.version} has a fault in the mode that is used here",
            "Before 3.51.3 two processes that write at the same instant can, rarely,"
            " damage a database in WAL mode.",
            "Use a Python with SQLite 3.51.3 or newer, or PostgreSQL (DATABASE_URL);"
            " keep backups until then.",
        )
    if database.wal is not None and database.wal > MAX_WAL:
        yield HealthIssue(
            "The database's write-ahead log has grown large",
            f"It has {bytes_text(database.wal)}. A reader that never ends keeps it from"
            " being written back, and every page becomes slower.",
            "Look for a program that holds the database open, such as a backup or a"
            " shell, and end it.",
        )
    used, limit = database.connections, database.limit
    if used is not None and limit and used > FULL * limit:
        yield HealthIssue(
            "PostgreSQL is short of connections",
            f"{used} of {limit} are in use.",
            "Raise max_connections, or run fewer web threads.",
        )


def _work_issues(work: Work) -> Iterator[HealthIssue]:
    if work.overdue:
        yield HealthIssue(
            f"{work.overdue} running {_noun(work.overdue)} past the lease",
            f"Nothing was heard of them for over {settings.LEASE_SECONDS} s.",
            "The scheduler gives them to other slots after a lease of its own; look at"
            " their hosts on the page of the pools.",
        )
    for pool in work.pools:
        if pool.waiting and not pool.usable:
            yield _no_worker(pool, work)
    if work.lost_hour >= MANY_LOST:
        yield HealthIssue(
            f"{work.lost_hour} attempts were lost within an hour",
            "Each was tried again elsewhere, at the cost of what it had done.",
            "Below it says why; look at the hosts that ran them.",
        )


def _no_worker(pool: PoolWork, work: Work) -> HealthIssue:
    waited = (work.now - pool.oldest).total_seconds() if pool.oldest else 0.0
    return HealthIssue(
        f"Pool {pool.name} has no slot that takes trials",
        f"{pool.waiting} {_noun(pool.waiting)} {_verb(pool.waiting)} in it, the"
        f" longest for {duration_text(waited)}.",
        f"Start a worker: python manage.py worker --pool {pool.name} --slots 2",
        critical=waited > LONG_WAIT,
    )


def _noun(n: int) -> str:
    return "trial" if n == 1 else "trials"


def _verb(n: int) -> str:
    return "waits" if n == 1 else "wait"


KEY = "installation-issues"
# Seconds for which all pages tell the same, good news and bad: to ask a queue that is
# away takes its time.
KEPT_FOR, TROUBLE_KEPT_FOR = 5, 15
# A scheduler that starts together with the site needs a moment for its first round.
PATIENCE = 30.0
STARTED = time.monotonic()


def installation_issues(request: HttpRequest) -> dict[str, Any]:
    """``installation_issues`` for the frame of a page; none for anybody else."""
    user = getattr(request, "user", None)
    if not (isinstance(user, User) and user.is_superuser):
        return {"installation_issues": ()}
    return {"installation_issues": SimpleLazyObject(current)}


def current() -> Sequence[HealthIssue]:
    """One query and one question to the queue, now and then."""
    known: Sequence[HealthIssue] | None = cache.get(KEY)
    if known is None:
        known = [issue for issue in (_disk(), _queue(), _scheduler()) if issue]
        cache.set(KEY, known, TROUBLE_KEPT_FOR if known else KEPT_FOR)
    return known


def _disk() -> HealthIssue | None:
    """A share of a large disk that is small, and much, is for the page of health."""
    found = disk.fullest_disk()
    return next(disk_issues(found), None) if found.free < disk.MIN_FREE else None


def _queue() -> HealthIssue | None:
    facts = queues.facts({})
    if facts is None and queues.answers():
        # It only may not tell of itself.
        return None
    return next((issue for issue in queue_issues(facts) if issue.critical), None)


def _scheduler() -> HealthIssue | None:
    try:
        last = SchedulerProcess.objects.aggregate(last=Max("ticked_at"))["last"]
        age = (database_now() - last).total_seconds() if last else None
    except DatabaseError:
        return None
    if age is None and time.monotonic() - STARTED < PATIENCE:
        return None
    return scheduler_is_down(age)
