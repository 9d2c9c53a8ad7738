"""Writes SQLite's write-ahead log (WAL) back into the database: a checkpoint.

SQLite before 3.51.3 can lose committed writes if a checkpoint begins at the moment when
a writer starts the log anew (sqlite.org/wal.html#walresetbug), even if only one process
makes checkpoints. So no connection of this site makes them by itself
(wal_autocheckpoint=0 in the settings). The threads here do, while they hold the write
lock, so nothing else writes. The last connection that closes also makes one, alone.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import closing
from urllib.parse import quote

from django.db import connection

logger = logging.getLogger(__name__)

# Bytes: with a longer log reads become slower. After a checkpoint the next writer cuts
# it to this (journal_size_limit in the settings).
MAX_WAL = 8 << 20
EVERY = 0.25
MAX_LOCK_WAIT, LOCK_PAUSE = 20.0, 0.0005


def start_checkpoints(*, max_wal: int = MAX_WAL) -> None:
    """Make checkpoints from now on, as each process must that writes for long. They
    share the work by different limits."""
    if connection.vendor == "sqlite":
        Checkpoints(str(connection.settings_dict["NAME"]), max_wal=max_wal).start()


class Checkpoints(threading.Thread):
    """Makes a checkpoint whenever the log has grown; any number may run at once."""

    def __init__(self, path: str, *, max_wal: int = MAX_WAL) -> None:
        super().__init__(name="checkpoints", daemon=True)
        self._path, self._max_wal = path, max_wal
        self._written_back = (0, 0)
        self._problem = ""

    def run(self) -> None:
        while True:
            time.sleep(EVERY)
            self.try_to_look()

    def try_to_look(self) -> None:
        """The same error is logged once, until a look succeeds."""
        problem = ""
        try:
            self.look()
        except (OSError, sqlite3.Error) as error:
            problem = str(error)
            if problem != self._problem:
                logger.warning("the write-ahead log was not written back: %s", error)
        self._problem = problem

    def look(self) -> None:
        """Make a checkpoint if the log is long and has changed since the last one."""
        try:
            log = os.stat(f"{self._path}-wal")
        except FileNotFoundError:
            return
        state = (log.st_size, log.st_mtime_ns)
        if log.st_size <= self._max_wal or state == self._written_back:
            return
        if checkpoint(self._path):
            self._written_back = state


def checkpoint(path: str) -> bool:
    """Write the log back while nobody writes. False: a reader still needs a part of it.
    Raises sqlite3.Error, such as when others write for too long."""
    with closing(_connect(path)) as lock, closing(_connect(path)) as worker:
        _begin(lock)
        # Not the other modes: they wait for readers, and do without the lock after it.
        cursor = worker.execute("PRAGMA wal_checkpoint(PASSIVE)")
        busy, frames, written_back = cursor.fetchone()
        lock.execute("ROLLBACK")
    return not busy and frames == written_back


def _begin(lock: sqlite3.Connection) -> None:
    """Take the write lock. SQLite itself would ask more and more seldom, so that busy
    writers would get it first each time."""
    deadline = time.monotonic() + MAX_LOCK_WAIT
    while True:
        try:
            lock.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOCK_PAUSE)


def _connect(path: str) -> sqlite3.Connection:
    address = f"file:{quote(path)}?mode=rw"
    made = sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)
    made.execute("PRAGMA wal_autocheckpoint=0")
    return made
