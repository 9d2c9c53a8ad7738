"""The two databases an installation may have, as the outside sees them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.postgres import Server


class Sqlite:
    """A file in the installation's folder. Nobody can stop it."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sweepsite.sqlite3"
        self.socket: str | None = None

    def url(self, port: int | None = None) -> str:
        return f"sqlite:///{self.path}"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection:
            return connection.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.execute(statement)
            connection.commit()

    def damage(self) -> list[str]:
        """What the database itself finds wrong with its file."""
        found = self.rows("PRAGMA integrity_check")
        broken = self.rows("PRAGMA foreign_key_check")
        return [str(row[0]) for row in found if row[0] != "ok"] + [
            f"foreign key {row}" for row in broken
        ]

    def close(self) -> None:
        """There is nothing to stop."""


class Postgres:
    """A separate server, which the test can crash."""

    name = "postgres"

    def __init__(self, folder: Path) -> None:
        # Not in the folder: another user than ours may have to reach it.
        self.place = Path(tempfile.mkdtemp(prefix="sweepsite-pg-"))
        self.server = Server(self.place, durable=True)
        self.server.start()
        self.socket: str | None = self.server.socket

    def url(self, port: int | None = None) -> str:
        if port is None:
            return self.server.url()
        return f"postgres://postgres@127.0.0.1:{port}/postgres"

    def crash(self, *, away: float = 0.0) -> None:
        """An immediate shutdown: every connection breaks. Up again after ``away`` s."""
        self.server.stop(signal.SIGQUIT)
        time.sleep(away)
        self.server.start()

    def start_again(self, environment: Mapping[str, str]) -> None:
        """With more environment than it has."""
        self.server.stop(signal.SIGINT)
        self.server.start(environment={**os.environ, **environment})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            return connection.execute(query).fetchall()  # type: ignore[no-any-return]

    def execute(self, statement: str) -> None:
        with self._connection() as connection:
            connection.execute(statement)

    def damage(self) -> list[str]:
        """What amcheck finds, where the server has it."""
        with self._connection() as connection:
            try:
                connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
                connection.execute(
                    "SELECT bt_index_check(c.oid, true) FROM pg_index i"
                    " JOIN pg_class c ON c.oid = i.indexrelid"
                    " JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree'"
                    " WHERE i.indisvalid AND c.relpersistence = 'p'"
                )
            except Exception as problem:
                text = str(problem)
                return [] if "not available" in text else [text]
        return []

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        import psycopg

        with psycopg.connect(
            host=str(self.server.folder), user="postgres", autocommit=True
        ) as connection:
            yield connection

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.server.stop(signal.SIGQUIT)
        shutil.rmtree(self.place, ignore_errors=True)


DATABASES = {"sqlite": Sqlite, "postgres": Postgres}
Database = Sqlite | Postgres
