"""The names of the workers on one host, each held by a lock while its worker lives."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

from experiments.workers.supervisor import CHECK_SECONDS, MAX_STOP_SECONDS

# Names of workers on one host.
MAX_NUMBER = 1_000
# At the end of a name's lock: its worker is ending.
ENDING = " ending"


@dataclass(frozen=True)
class WorkerName:
    """A worker's name, and an id that tells it from others with the same name."""

    text: str
    boot_id: str
    lock: Path

    def mark_end(self) -> None:
        """Tell a successor that the name is free soon."""
        with contextlib.suppress(OSError), self.lock.open("a") as file:
            file.write(ENDING)


def free_names(pool: str) -> Iterator[WorkerName]:
    """This host's name, host-2, host-3, … without those of other workers here.

    A lock holds a name until the next one is taken or the process ends. So a worker
    that was killed gets its old name again, and the site knows at once that its trials
    are dead. If the holder is ending, as when `up` was killed, its successor waits for
    the name: with another one, the site would see two hosts. Hosts with the same name
    (or containers, which share a boot id) do not see each other's locks, so each lock
    has an id for the site.
    """
    host = socket.gethostname()[:80]
    place = hashlib.sha256(f"{settings.SITE_URL} {pool}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"sweepsite-workers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(1, MAX_NUMBER):
        path = folder / f"{place}-{number}"
        with path.open("a+") as lock:
            if not _held(lock):
                continue
            text = host if number == 1 else f"{host}-{number}"
            yield WorkerName(text, f"{boot_id()} {lock_id(lock)}".strip(), path)


def _held(lock: IO[str]) -> bool:
    """Whether this process holds it now; waits for a holder that is ending."""
    deadline = time.monotonic() + MAX_STOP_SECONDS
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        lock.seek(0)
        if not lock.read().endswith(ENDING) or time.monotonic() > deadline:
            return False
        time.sleep(CHECK_SECONDS)


def lock_id(lock: IO[str]) -> str:
    """A random id, made when the lock is first held and kept in its file."""
    lock.seek(0)
    if known := lock.read(8):
        lock.truncate(8)
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
