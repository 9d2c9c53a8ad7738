"""The state of the whole installation, gathered at one moment for the health page and
/metrics, in a fixed number of queries, none of which reads metric points.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.db.models import Count, Min, Q, Sum

from experiments import queues
from experiments.cleanup.disk import Database, Disk, database, fullest_disk
from experiments.cleanup.purge import late_deletions
from experiments.db.clock import database_now
from experiments.models import Attempt, Pool, SchedulerProcess, Sweep, Trial, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_ENDS, AttemptState
from experiments.queues import QueueFacts

PACKAGES = ("rq", "redis", "django-rq", "numpy", "scipy", "gunicorn")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_DELETION_WAIT = timedelta(minutes=5)
# Folders that management/embedded_valkey.py makes, with the time after this.
DAMAGED = "queue-damaged-"
DAMAGED_SHOWN_FOR = timedelta(days=7)
LOSS_WORDS = {
    "silent": "its host stopped responding",
    "worker_died": "its worker process died",
    "released": "its worker was stopped",
    "worker_problem": "its worker had a problem",
    "cut_off": "its worker could not reach the site",
    "paused": "its sweep was paused",
    "restored": "the site was restored from a backup",
}


@dataclass
class PoolWork:
    """One pool. ``slots``: of its live hosts; ``usable``: of those that do not drain.

    ``waiting``: queued attempts of running sweeps, the oldest queued at ``oldest``;
    ``overdue``: running attempts whose last heartbeat is older than a lease.
    ``weaknesses``: how its hosts do not isolate trials.
    """

    name: str
    hosts: int = 0
    slots: int = 0
    usable: int = 0
    busy: int = 0
    free: int = 0
    queued: int = 0
    waiting: int = 0
    running: int = 0
    overdue: int = 0
    oldest: datetime | None = None
    workers: list[int] = field(default_factory=list)
    weaknesses: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Loss:
    """Lost attempts of one reason: ever, in the last day, in the last hour."""

    reason: str
    total: int
    day: int
    hour: int

    @property
    def words(self) -> str:
        return LOSS_WORDS.get(self.reason, self.reason.replace("_", " ") or "unknown")


@dataclass(frozen=True)
class Work:
    pools: Sequence[PoolWork]
    sweeps: Mapping[str, int]
    ended: Mapping[str, int]
    losses: Sequence[Loss]
    schedulers: Sequence[SchedulerProcess]
    late_deletions: int
    now: datetime = field(repr=False)

    @property
    def oldest(self) -> datetime | None:
        """When the trial that has waited longest was queued."""
        return min((p.oldest for p in self.pools if p.oldest), default=None)

    @property
    def oldest_seconds(self) -> float:
        return (
            max(0.0, (self.now - self.oldest).total_seconds()) if self.oldest else 0.0
        )

    @property
    def overdue(self) -> int:
        return sum(pool.overdue for pool in self.pools)

    @property
    def waiting(self) -> int:
        return sum(pool.waiting for pool in self.pools)

    @property
    def running(self) -> int:
        return sum(pool.running for pool in self.pools)

    @property
    def sweep_words(self) -> str:
        """``5 running, 12 completed``."""
        counts = (f"{n} {state}" for state, n in self.sweeps.items() if n)
        return ", ".join(counts) or "none"

    @property
    def lost_hour(self) -> int:
        return sum(loss.hour for loss in self.losses)

    @property
    def last_heartbeat(self) -> datetime | None:
        return max((row.heartbeat_at for row in self.schedulers), default=None)

    @property
    def heartbeat_age(self) -> float | None:
        """Seconds since a scheduler's last round; None if there was none."""
        last = self.last_heartbeat
        return max(0.0, (self.now - last).total_seconds()) if last else None


def work(now: datetime) -> Work:
    """``now`` is the database's time, as are the times it is compared with."""
    return Work(
        pools=_pools(now),
        sweeps=_counts(Sweep, SweepState.values),
        ended=_counts(Trial, sorted(TRIAL_ENDS)),
        losses=_losses(now),
        schedulers=list(SchedulerProcess.objects.all()),
        late_deletions=late_deletions(now - MAX_DELETION_WAIT),
        now=now,
    )


def _counts(model: type[Sweep] | type[Trial], states: Sequence[str]) -> dict[str, int]:
    rows = model._default_manager.order_by().values_list("state")
    found = dict(rows.annotate(n=Count("pk")))
    return {state: found.get(state, 0) for state in states}


def _losses(now: datetime) -> Sequence[Loss]:
    rows = (
        Attempt.objects.filter(state=AttemptState.LOST)
        .order_by("reason")
        .values_list("reason")
        .annotate(
            total=Count("pk"),
            day=Count("pk", filter=Q(ended_at__gt=now - DAY)),
            hour=Count("pk", filter=Q(ended_at__gt=now - HOUR)),
        )
    )
    return [Loss(*row) for row in rows]


def _pools(now: datetime) -> Sequence[PoolWork]:
    pools = {pool.pk: PoolWork(pool.name) for pool in Pool.objects.all()}
    busy = _busy_by_worker()
    workers = Worker.objects.alive().values_list(
        "pk", "pool", "slots", "draining_since", "facts__weakness"
    )
    for worker, pool_id, slots, draining, weakness in workers:
        pool = pools[pool_id]
        pool.weaknesses |= {weakness} if weakness else set()
        taken = busy[worker]
        pool.hosts += 1
        pool.workers.append(worker)
        pool.slots += slots
        pool.busy += min(slots, taken)
        if draining is None:
            pool.usable += slots
            pool.free += max(0, slots - taken)
    _count_attempts(pools, now)
    return list(pools.values())


def _busy_by_worker() -> Counter[int]:
    """Slots that running attempts hold, by worker."""
    rows = Attempt.objects.filter(state=AttemptState.RUNNING, worker__isnull=False)
    counted = rows.order_by().values_list("worker").annotate(n=Sum("slots"))
    return Counter(dict(counted))


def _count_attempts(pools: Mapping[int, PoolWork], now: datetime) -> None:
    live = (AttemptState.QUEUED, AttemptState.RUNNING)
    waits = Q(state=AttemptState.QUEUED, trial__sweep__state=SweepState.RUNNING)
    late = Q(heartbeat_at__lt=now - timedelta(seconds=settings.LEASE_SECONDS))
    rows = (
        # Single runs are in no pool.
        Attempt.objects.filter(state__in=live, pool__isnull=False)
        .order_by()
        .values_list("pool", "state")
        .annotate(
            n=Count("pk"),
            waiting=Count("pk", filter=waits),
            oldest=Min("created_at", filter=waits),
            overdue=Count("pk", filter=late & Q(state=AttemptState.RUNNING)),
        )
    )
    for pool_id, state, n, waiting, oldest, overdue in rows:
        pool = pools[pool_id]
        if state == AttemptState.QUEUED:
            pool.queued, pool.waiting, pool.oldest = n, waiting, oldest
        else:
            pool.running, pool.overdue = n, overdue


@dataclass(frozen=True)
class InstallationStatus:
    """``queue`` is None while it does not answer. ``damaged_queue``: the folder with
    files of the embedded queue that were set aside in the last days; empty: none."""

    work: Work
    queue: QueueFacts | None
    database: Database
    disk: Disk
    damaged_queue: str = ""


def installation_status() -> InstallationStatus:
    """Read from the database and, in one exchange, from the queue."""
    done = work(database_now())
    return InstallationStatus(
        work=done,
        queue=queues.facts({pool.name: _queues_of(pool) for pool in done.pools}),
        database=database(),
        disk=fullest_disk(),
        damaged_queue=damaged_queue(datetime.now()),
    )


def _queues_of(pool: PoolWork) -> Sequence[str]:
    """The pool's own queue and those of its live hosts."""
    own = (queues.queue_name(pool.name, worker) for worker in pool.workers)
    return [pool.name, *own]


def queue_is_embedded() -> bool:
    """Whether ``manage.py up`` runs the queue's server: it writes the address into a
    file."""
    file = Path(settings.HOME) / "redis_url"
    try:
        return file.read_text().strip() == settings.REDIS_URL
    except OSError:
        return False


def damaged_queue(now: datetime) -> str:
    """Which queue files were set aside in the last days: the newest folder's path."""
    oldest = f"{DAMAGED}{now - DAMAGED_SHOWN_FOR:%Y%m%d-%H%M%S}"
    found = (str(path) for path in Path(settings.HOME).glob(f"{DAMAGED}*"))
    newest = max(found, default="")
    return newest if Path(newest).name >= oldest else ""


def queue_address() -> str:
    """The queue's host and port, without the password that its URL may contain."""
    if settings.REDIS_URL.startswith("unix"):
        return "a socket on this machine"
    parts = urlsplit(settings.REDIS_URL)
    return f"{parts.hostname or ''}:{parts.port or 6379}"


def versions() -> Sequence[tuple[str, str]]:
    """The versions that this process runs, by name."""
    return [
        ("sweepsite", settings.VERSION),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        *((name, found) for name in PACKAGES if (found := _installed(name))),
    ]


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
