"""Everything that the health page and /metrics tell, gathered at one moment."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.conf import settings

from experiments import queues
from experiments.clock import database_now
from experiments.pages.health import room
from experiments.pages.health.work import PoolWork, Work, work
from experiments.queues import QueueFacts

PACKAGES = ("rq", "redis", "django-rq", "numpy", "scipy", "gunicorn")


@dataclass(frozen=True)
class Vitals:
    """``queue`` is None when it does not answer."""

    work: Work
    queue: QueueFacts | None
    database: room.Database
    disk: room.Disk


def vitals() -> Vitals:
    """In a fixed number of queries and one exchange with the queue."""
    done = work(database_now())
    return Vitals(
        work=done,
        queue=queues.facts({pool.name: _queues_of(pool) for pool in done.pools}),
        database=room.database(),
        disk=room.disk(),
    )


def _queues_of(pool: PoolWork) -> Sequence[str]:
    """The pool's own queue and those of its living hosts."""
    own = (queues.queue_name(pool.name, worker) for worker in pool.workers)
    return [pool.name, *own]


def queue_is_embedded() -> bool:
    """Whether ``up`` runs the queue's server itself."""
    file = Path(settings.HOME) / "redis_url"
    try:
        return file.read_text().strip() == settings.REDIS_URL
    except OSError:
        return False


def queue_address() -> str:
    """Where the queue is, without the password that the URL may hold."""
    if settings.REDIS_URL.startswith("unix"):
        return "a socket of this machine"
    parts = urlsplit(settings.REDIS_URL)
    return f"{parts.hostname or ''}:{parts.port or 6379}"


def versions() -> Sequence[tuple[str, str]]:
    """The programs of this process, by name."""
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
