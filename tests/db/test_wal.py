"""SQLite's log is written back while nobody writes, and it does not grow for ever."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from experiments.db import wal
from experiments.db.wal import Checkpoints, checkpoint
from sweepsite.environment import database
from tests.processes.running_site import wait_for

MB = 1 << 20


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> Iterator[Any]:
    """A connection with the site's own settings to a new file."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = ConnectionHandler({"default": database(tmp_path)})["default"]
    with django_db_blocker.unblock():
        with made.cursor() as cursor:
            cursor.execute("CREATE TABLE t (content BLOB)")
        yield made
        made.close()


def path_of(site: BaseDatabaseWrapper) -> str:
    return str(site.settings_dict["NAME"])


def log_size(site: BaseDatabaseWrapper) -> int:
    return os.stat(f"{path_of(site)}-wal").st_size


def write(site: BaseDatabaseWrapper, size: int) -> None:
    with site.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (zeroblob(%s))", [size])


def test_a_connection_of_the_site_makes_no_checkpoint_by_itself(site: Any) -> None:
    for _ in range(12):
        write(site, MB)
    assert log_size(site) > 12 * MB
    assert Path(path_of(site)).stat().st_size < MB


def test_a_long_log_is_written_back_and_cut(site: Any) -> None:
    for _ in range(12):
        write(site, MB)
    Checkpoints(path_of(site)).look()
    assert Path(path_of(site)).stat().st_size > 12 * MB
    write(site, 1)
    assert log_size(site) <= wal.MAX_WAL
    with site.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(length(content)) FROM t")
        assert cursor.fetchone() == (13, 12 * MB + 1)


def test_nobody_can_write_while_a_checkpoint_runs(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer could start the log anew, which SQLite before 3.51.3 does not notice."""
    seen: list[str] = []
    connect = wal._connect

    def watched(path: str) -> sqlite3.Connection:
        made = connect(path)
        made.set_trace_callback(look)
        return made

    def look(statement: str) -> None:
        if "wal_checkpoint" in statement:
            with closing(sqlite3.connect(path_of(site), timeout=0)) as other:
                try:
                    other.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    seen.append(str(error))

    monkeypatch.setattr(wal, "_connect", watched)
    write(site, MB)
    assert checkpoint(path_of(site))
    assert seen == ["database is locked"]
    write(site, MB)


def test_while_somebody_writes_there_is_no_checkpoint(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "MAX_LOCK_WAIT", 0.1)
    write(site, MB)
    with closing(sqlite3.connect(path_of(site), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            checkpoint(path_of(site))
    assert Path(path_of(site)).stat().st_size < MB


def test_what_a_reader_needs_is_written_back_later(site: Any) -> None:
    with closing(sqlite3.connect(path_of(site), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchone()
        write(site, MB)
        assert not checkpoint(path_of(site))
    assert checkpoint(path_of(site))


def test_a_log_that_was_written_back_is_left_alone(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(
        wal, "checkpoint", lambda path: made.append(path) or checkpoint(path)
    )
    checkpoints = Checkpoints(path_of(site), max_wal=MB)
    checkpoints.look()
    assert made == []
    write(site, 2 * MB)
    for _ in range(3):
        checkpoints.look()
    assert len(made) == 1


def test_an_error_ends_nothing_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    not_a_folder = tmp_path / "file"
    not_a_folder.touch()
    checkpoints = Checkpoints(str(not_a_folder / "database"))
    for _ in range(3):
        checkpoints.try_to_look()
    (record,) = caplog.records
    assert "Not a directory" in record.getMessage()


def test_the_log_is_cut_while_many_write(site: Any) -> None:
    Checkpoints(path_of(site), max_wal=MB).start()
    sizes: list[int] = []
    was_cut = threading.Event()

    def fill() -> None:
        options = site.settings_dict["OPTIONS"]["init_command"]
        with closing(
            sqlite3.connect(path_of(site), timeout=60, isolation_level=None)
        ) as writer:
            writer.executescript(options)
            while not was_cut.is_set():
                writer.execute("INSERT INTO t VALUES (zeroblob(100000))")
                sizes.append(log_size(site))
                if sizes[-1] < max(sizes) / 2:
                    was_cut.set()

    writers = [threading.Thread(target=fill) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        wait_for(was_cut.is_set, "a checkpoint between the writers", timeout=60)
    finally:
        was_cut.set()
        for writer in writers:
            writer.join()
    # The last part is written back, too.
    written = 100_000 * len(sizes)
    wait_for(lambda: Path(path_of(site)).stat().st_size > written - MB, "the last one")
