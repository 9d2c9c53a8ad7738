"""Space on the disk, and what the database and the data folder take of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import connection

# Bytes: with less, every page warns admins.
MIN_FREE = 1_000_000_000
# Seconds to measure a folder: a page must not wait for a slow disk.
MAX_MEASURING = 0.4
MEASURED_EVERY = 60.0
FOLDERS = {
    "code of sweeps": ("store", "code"),
    "logs and outputs of trials": ("store", "attempts"),
    "caches and pending uploads of workers on this machine": ("worker",),
    "queue": ("queue",),
    "logs of the site": ("logs",),
}


@dataclass(frozen=True)
class Database:
    """``wal``: bytes, on SQLite; ``connections`` of ``limit``, on PostgreSQL."""

    name: str
    version: str
    size: int
    wal: int | None = None
    connections: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Disk:
    """A disk that holds a part of the data folder; sizes in bytes."""

    free: int
    total: int
    holds: str = "the data folder"

    @property
    def free_share(self) -> float:
        return self.free / self.total if self.total else 1.0


@dataclass(frozen=True)
class Folder:
    """``whole``: everything was measured; otherwise ``size`` is a lower bound."""

    size: int
    whole: bool


def fullest_disk() -> Disk:
    """Parts of the data folder may have their own disks. A disk with few free bytes
    comes before a large one with a small free share.
    """
    return min(_disks(), key=lambda disk: (disk.free >= MIN_FREE, disk.free_share))


def _disks() -> Iterator[Disk]:
    parts = {
        "the data folder": Path(settings.HOME),
        "logs and outputs": Path(settings.HOME, "store"),
    }
    if connection.vendor == "sqlite":
        parts["the database"] = Path(connection.settings_dict["NAME"]).parent
    for holds, folder in parts.items():
        with suppress(FileNotFoundError):
            usage = shutil.disk_usage(folder)
            yield Disk(usage.free, usage.total, holds)


def database() -> Database:
    """One query on PostgreSQL, none on SQLite."""
    return _sqlite() if connection.vendor == "sqlite" else _postgresql()


def _sqlite() -> Database:
    path = str(connection.settings_dict["NAME"])
    return Database(
        name="SQLite",
        version=sqlite3.sqlite_version,
        size=file_size(path),
        wal=file_size(f"{path}-wal"),
    )


def file_size(path: str) -> int:
    """Bytes; 0 for a missing file."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _postgresql() -> Database:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_database_size(current_database()),"
            " (SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL),"
            " current_setting('max_connections')::int,"
            " current_setting('server_version')"
        )
        size, connections, limit, version = cursor.fetchone()
    return Database(
        name="PostgreSQL",
        version=version.split()[0],
        size=size,
        connections=connections,
        limit=limit,
    )


def folders() -> Mapping[str, Folder]:
    """The sizes of the data folder's parts, measured once a minute."""
    return _measured(int(time.monotonic() // MEASURED_EVERY))


@lru_cache(maxsize=1)
def _measured(minute: int) -> Mapping[str, Folder]:
    home = Path(settings.HOME)
    return {name: measure(home.joinpath(*parts)) for name, parts in FOLDERS.items()}


def measure(folder: Path, *, seconds: float = MAX_MEASURING) -> Folder:
    """The size of all files below a folder, as far as it can be read in that time."""
    limit = time.monotonic() + seconds
    size = 0
    for entry in _files(str(folder)):
        size += entry
        if time.monotonic() > limit:
            return Folder(size, whole=False)
    return Folder(size, whole=True)


def _files(folder: str) -> Iterator[int]:
    """The sizes of all files below a folder, without those that disappear meanwhile."""
    for inner, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield os.lstat(os.path.join(inner, name)).st_size
