"""The names of the workers on one host: this host's name, host-2, host-3, …"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

MAX_NUMBER = 1_000


@dataclass(frozen=True)
class WorkerName:
    """A worker's name, and an id that tells it from others with the same name."""

    text: str
    boot_id: str


def free_names(pool: str) -> Iterator[WorkerName]:
    """This host's name, host-2, host-3, … without those of other workers here.

    A lock holds a name until the next one is taken or the process ends. So a worker
    that was killed gets its old name again, and the site knows at once that its trials
    are dead. Hosts with the same name (or containers, which share a boot id) do not see
    each other's locks, so each lock has an id for the site.
    """
    host = socket.gethostname()[:80]
    place = hashlib.sha256(f"{settings.SITE_URL} {pool}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"sweepsite-workers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(1, MAX_NUMBER):
        with (folder / f"{place}-{number}").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            text = host if number == 1 else f"{host}-{number}"
            yield WorkerName(text, f"{boot_id()} {lock_id(lock)}".strip())


def lock_id(lock: IO[str]) -> str:
    """A random id, made when the lock is first held and kept in its file."""
    lock.seek(0)
    if known := lock.read(8):
        return known
    made = secrets.token_hex(4)
    lock.write(made)
    lock.flush()
    return made


def boot_id() -> str:
    """An id that changes with each boot of this host (Linux; empty elsewhere)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
