"""Space on the disks, and what the database takes of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection

# Bytes: with less, every page warns admins.
MIN_FREE = 1_000_000_000


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
