"""Puts a backup, or another SQLite database, into an empty installation."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection

from experiments import lifecycle
from experiments.backup.database import (
    check_database,
    load_rows,
    opened,
    refuse_newer,
    refuse_unless_empty,
)
from experiments.backup.files import copy_file, kept_files
from experiments.backup.folder import DATABASE, FILES, Manifest, check_backup
from experiments.backup.rows import BackupError, Progress
from experiments.models import Event

PART = ".part-restored.sqlite3"


def restore(
    folder: Path, progress: Progress, *, keep_worker_tokens: bool
) -> lifecycle.Held:
    """Put a backup that is complete into an empty data folder and database.

    Nothing of it runs by itself afterwards; see lifecycle.hold_restored().
    """
    home = Path(settings.HOME)
    _refuse_files(home)
    refuse_unless_empty()
    manifest = check_backup(folder, progress)
    held: list[lifecycle.Held] = []

    def hold() -> None:
        made_at = datetime.fromisoformat(manifest.made_at)
        held.append(lifecycle.hold_restored(made_at, worker_tokens=keep_worker_tokens))

    with _updated(lambda part: shutil.copyfile(folder / DATABASE, part)) as part:
        _restore_files(folder / FILES, manifest, progress)
        if connection.vendor == "sqlite":
            with opened(part, DEFAULT_DB_ALIAS):
                hold()
            _put_in_place(part)
        else:
            load_rows(part, progress, then=hold)
    return held[0]


def _refuse_files(home: Path) -> None:
    if files := [name for name in kept_files(home) if name.startswith("store/")]:
        raise BackupError(
            f"The data folder {home} has files already, such as {files[0]}. Set"
            " SWEEPSITE_HOME to an empty folder, or delete its folder store."
        )


@contextmanager
def _updated(write: Callable[[Path], object]) -> Iterator[Path]:
    """A file beside the site's database that is written so, then updated to the tables
    of this version. It is deleted in the end, unless it got another name."""
    part = _place().with_name(PART)
    part.unlink(missing_ok=True)
    write(part)
    try:
        with opened(part, DEFAULT_DB_ALIAS):
            refuse_newer(DEFAULT_DB_ALIAS)
            call_command("migrate", verbosity=0, interactive=False)
        yield part
    finally:
        part.unlink(missing_ok=True)


def _place() -> Path:
    """The file of the site's database; on PostgreSQL one in the data folder."""
    if connection.vendor == "sqlite":
        return Path(connection.settings_dict["NAME"])
    return Path(settings.HOME, "sweepsite.sqlite3")


def _put_in_place(part: Path) -> None:
    check_database(part)
    place = _place()
    connection.close()
    for end in ("-wal", "-shm"):
        place.with_name(f"{place.name}{end}").unlink(missing_ok=True)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, place)


def _restore_files(folder: Path, manifest: Manifest, progress: Progress) -> None:
    done = 0
    for name, facts in manifest.files.items():
        progress("bytes of files", done, manifest.size)
        target = Path(settings.HOME, name)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.unlink(missing_ok=True)
        if copy_file(folder / name, target).sha256 != facts.sha256:
            raise BackupError(f"{name} was damaged while it was copied.")
        done += facts.size
    progress("bytes of files", done, manifest.size)
    os.sync()


# --- another database, with the same data folder ------------------------------------


def move_database(path: Path, progress: Progress) -> Path:
    """Move all rows of a SQLite database, which nothing else uses, into the site's
    PostgreSQL; returns the new name of the file, which no site opens by mistake."""
    if connection.vendor == "sqlite":
        raise BackupError(
            "DATABASE_URL must be the new PostgreSQL database, such as"
            " postgres://USER@HOST/NAME."
        )
    refuse_unless_empty()
    moved = path.with_name(f"{path.name}.moved")
    if moved.exists():
        raise BackupError(
            f"{moved} exists already. Delete it, or give it another name."
        )
    with _alone(path) as database:
        with _updated(lambda part: _snapshot(database, part)) as part:
            load_rows(part, progress, then=_note_move)
        # Without a log beside it the file is whole.
        database.execute("PRAGMA journal_mode=DELETE")
        path.rename(moved)
    return moved


def _snapshot(database: sqlite3.Connection, part: Path) -> None:
    database.execute("VACUUM INTO ?", (str(part),))
    check_database(part)


def _note_move() -> None:
    Event.log("database moved", "From SQLite to PostgreSQL.")


@contextmanager
def _alone(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, which no other process can read or write meanwhile."""
    if not path.is_file():
        raise BackupError(f"There is no database {path}.")
    connected = sqlite3.connect(path, isolation_level=None, timeout=5)
    with closing(connected) as database:
        try:
            # With a write-ahead log this needs that nobody else has the file open.
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
        except sqlite3.OperationalError as problem:
            raise BackupError(
                f"{path} is in use ({problem}). Stop the web server, the scheduler and"
                " the site's worker first; trials may continue."
            ) from problem
        yield database
