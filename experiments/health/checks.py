"""Problems of the installation, the worst first, each with what to do about it; and the
most urgent of them for the banner that admins see on every page.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.models import Max
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from experiments import queues
from experiments.cleanup.disk import MIN_FREE, Database, Disk, fullest_disk
from experiments.db.clock import database_now
from experiments.formatting import bytes_text, duration_text, share_text
from experiments.health.status import (
    InstallationStatus,
    PoolWork,
    Work,
    queue_is_embedded,
)
from experiments.models import SchedulerProcess, User
from experiments.queues import QueueFacts
from experiments.search.wording import counted

MAX_SCHEDULER_SILENCE = 30.0
MAX_ROUND = 10.0
MIN_FREE_SHARE = 0.05
# Bytes: with less, nothing can be stored.
DISK_FULL = 1_000_000
MAX_WAL = 256 << 20
NEARLY_FULL, FULL = 0.8, 0.95
MAX_LOST = 10
# The values of PostgreSQL's sslmode that refuse a plain connection.
ENCRYPTED = ("require", "verify-ca", "verify-full")
MAX_WAIT = 60.0

CACHE_KEY = "installation-issues"
# Seconds for which all pages show the same: asking a queue that is away takes time.
WELL_FOR, ISSUES_FOR = 5, 15
# A scheduler that starts together with the site needs a moment for its first round.
START_TIME = 30.0
STARTED = time.monotonic()


@dataclass(frozen=True)
class HealthIssue:
    """``critical``: work has stopped or data may be lost."""

    title: str
    text: str
    todo: str
    critical: bool = False

    @property
    def glyph(self) -> str:
        return "failed" if self.critical else "warning"


def health_issues(found: InstallationStatus) -> Sequence[HealthIssue]:
    issues = [
        *_queue_issues(found.queue),
        *_damaged_queue(found.damaged_queue),
        *_scheduler_issues(found.work),
        *_disk_issues(found.disk),
        *_database_issues(found.database),
        *_work_issues(found.work),
        *_connection_issues(),
    ]
    return sorted(issues, key=lambda issue: not issue.critical)


def _queue_issues(queue: QueueFacts | None) -> Iterator[HealthIssue]:
    if queue is None:
        yield HealthIssue(
            "The queue does not answer",
            "No new trial starts until it is back. Running trials continue, and"
            " nothing is lost.",
            _queue_advice(),
            critical=True,
        )
        return
    if queue.fill > NEARLY_FULL:
        full = queue.fill > FULL
        yield HealthIssue(
            f"The queue's memory is {'full' if full else 'nearly full'}",
            f"It uses {bytes_text(queue.memory)} of {bytes_text(queue.limit)}"
            f" ({share_text(queue.fill)}). When it is full, no new trial starts;"
            " running trials continue, and nothing is lost.",
            "Raise the server's maxmemory, or find out what else fills it.",
            critical=full,
        )
    if queue.policy not in ("", "noeviction"):
        yield HealthIssue(
            "The queue may drop jobs",
            f"Its maxmemory-policy is {queue.policy}: when its memory is full, it"
            " deletes keys.",
            "Set maxmemory-policy to noeviction on the server.",
        )


def _queue_advice() -> str:
    if queue_is_embedded():
        return (
            "'manage.py up' runs this server and restarts it within seconds. If it"
            " does not, see logs/queue.log in the data folder."
        )
    return "Start the Valkey or Redis server, or check REDIS_URL."


def _damaged_queue(folder: str) -> Iterator[HealthIssue]:
    if folder:
        yield HealthIssue(
            "The queue's files were damaged",
            f"The queue did not start with them, so they were moved to {folder} and it"
            " started empty. The scheduler dispatched the waiting trials again; nothing"
            " is lost.",
            "Check the disk, then delete that folder. This notice ends after 7 days.",
        )


def _scheduler_issues(work: Work) -> Iterator[HealthIssue]:
    if issue := _scheduler_silence(work.heartbeat_age):
        yield issue
        return
    running = [row for row in work.schedulers if row.stopped_at is None]
    slowest = max((row.longest_seconds for row in running), default=0.0)
    if slowest > MAX_ROUND:
        yield HealthIssue(
            "Scheduler rounds are slow",
            f"The longest recent one took {duration_text(slowest)}. Slots stay free"
            " meanwhile.",
            "Check its log, the load of the database, and sweeps whose sampler learns"
            " from thousands of trials.",
        )
    if others := {row.version for row in running} - {settings.VERSION}:
        yield HealthIssue(
            "A scheduler of another version runs",
            f"It is {', '.join(sorted(others))}; this site is {settings.VERSION}.",
            "Update sweepsite on its machine, and restart it.",
        )


def _scheduler_silence(heartbeat_age: float | None) -> HealthIssue | None:
    """The issue, when no scheduler has run for half a minute, or ever."""
    if heartbeat_age is not None and heartbeat_age <= MAX_SCHEDULER_SILENCE:
        return None
    last = "No scheduler has ever run here."
    if heartbeat_age is not None:
        last = f"The last one ran {duration_text(heartbeat_age)} ago."
    return HealthIssue(
        "No scheduler runs",
        f"{last} No trial is chosen, and lost attempts are not retried.",
        "Start one with: python manage.py scheduler",
        critical=True,
    )


def _disk_issues(disk: Disk) -> Iterator[HealthIssue]:
    if disk.free_share < MIN_FREE_SHARE:
        full = disk.free < DISK_FULL
        yield HealthIssue(
            f"The disk of {disk.holds} is {'full' if full else 'nearly full'}",
            f"{bytes_text(disk.free)} of {bytes_text(disk.total)} are free"
            f" ({share_text(disk.free_share)}). When it is full, metrics and outputs"
            " cannot be stored.",
            "Delete outputs of old sweeps in the administration, or add space.",
            critical=True,
        )


def _database_issues(database: Database) -> Iterator[HealthIssue]:
    if database.wal is not None and database.wal > MAX_WAL:
        yield HealthIssue(
            "The database's write-ahead log is large",
            f"It takes {bytes_text(database.wal)}. A reader that never finishes keeps"
            " it from being written back, and every page becomes slower.",
            "Find the program that keeps the database open, such as a backup or a"
            " shell, and stop it.",
        )
    used, limit = database.connections, database.limit
    if used is not None and limit and used > NEARLY_FULL * limit:
        yield HealthIssue(
            "PostgreSQL is short of connections",
            f"{used} of {limit} are in use.",
            "Raise max_connections, or run fewer web threads.",
        )


def _work_issues(work: Work) -> Iterator[HealthIssue]:
    if n := work.overdue:
        yield HealthIssue(
            f"{counted(n, 'running trial')} past the lease",
            f"No heartbeat for over {settings.LEASE_SECONDS} s.",
            "The scheduler moves them to other slots. Check their hosts on the pools"
            " page.",
        )
    for pool in work.pools:
        if pool.waiting and not pool.usable:
            yield _no_worker(pool, work)
        for sentence in sorted(pool.weaknesses):
            yield HealthIssue(
                f"Trials in pool {pool.name} are not fully isolated",
                sentence,
                "See 'Isolation of trials' in docs/security.md.",
            )
    if n := work.late_deletions:
        yield HealthIssue(
            f"{counted(n, 'deletion')} waiting for over 5 minutes",
            "The site's own worker deletes files and runs long simulations. It does not"
            " run, or it cannot keep up.",
            "`manage.py up` starts it. Elsewhere, run: python manage.py worker --site",
        )
    if work.lost_hour >= MAX_LOST:
        yield HealthIssue(
            f"{work.lost_hour} attempts were lost in the last hour",
            "Each was retried on another slot, and its work until then is lost.",
            "See the reasons below, and check the hosts that ran them.",
        )


def _connection_issues() -> Iterator[HealthIssue]:
    """Of connections to other machines that anybody on the way can read."""
    queue, database = urlsplit(settings.REDIS_URL), connection.settings_dict
    if queue.scheme == "redis" and not is_this_machine(queue.hostname or ""):
        yield _not_encrypted("queue", "REDIS_URL", "rediss://")
    host = str(database.get("HOST", ""))
    encrypted = database.get("OPTIONS", {}).get("sslmode") in ENCRYPTED
    if not (host.startswith("/") or is_this_machine(host) or encrypted):
        yield _not_encrypted("database", "DATABASE_URL", "?sslmode=verify-full")


def is_this_machine(host: str) -> bool:
    """An empty host is a socket."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host in ("", "localhost")


def _not_encrypted(what: str, setting: str, remedy: str) -> HealthIssue:
    return HealthIssue(
        f"The connection to the {what} is not encrypted",
        f"{setting} names another machine without TLS. Who can read the network between"
        " them can read what is sent.",
        f"Turn on TLS on the server, and put {remedy} into {setting}.",
    )


def _no_worker(pool: PoolWork, work: Work) -> HealthIssue:
    waited = (work.now - pool.oldest).total_seconds() if pool.oldest else 0.0
    trials = counted(pool.waiting, "trial waits", "trials wait")
    return HealthIssue(
        f"Pool {pool.name} has no slot that takes trials",
        f"{trials}, the longest for {duration_text(waited)}.",
        f"Start a worker: python manage.py worker --pool {pool.name} --slots 2",
        critical=waited > MAX_WAIT,
    )


def installation_issues(request: HttpRequest) -> dict[str, Any]:
    """The issues of the banner, for admins of the installation only."""
    user = getattr(request, "user", None)
    is_admin = isinstance(user, User) and user.is_superuser
    return {"installation_issues": SimpleLazyObject(_current) if is_admin else ()}


def _current() -> Sequence[HealthIssue]:
    """One query and one question to the queue every few seconds."""
    known: Sequence[HealthIssue] | None = cache.get(CACHE_KEY)
    if known is None:
        found = (_urgent_disk(), _urgent_queue(), _urgent_scheduler())
        known = [issue for issue in found if issue]
        cache.set(CACHE_KEY, known, ISSUES_FOR if known else WELL_FOR)
    return known


def _urgent_disk() -> HealthIssue | None:
    """A small share of a large disk may still be many bytes: not urgent."""
    disk = fullest_disk()
    return next(_disk_issues(disk), None) if disk.free < MIN_FREE else None


def _urgent_queue() -> HealthIssue | None:
    facts = queues.facts({})
    if facts is None and queues.answers():
        # A server may answer and yet refuse to describe itself.
        return None
    return next((issue for issue in _queue_issues(facts) if issue.critical), None)


def _urgent_scheduler() -> HealthIssue | None:
    try:
        last = SchedulerProcess.objects.aggregate(last=Max("heartbeat_at"))["last"]
        age = (database_now() - last).total_seconds() if last else None
    except DatabaseError:
        return None
    if age is None and time.monotonic() - STARTED < START_TIME:
        return None
    return _scheduler_silence(age)
