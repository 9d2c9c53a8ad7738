"""The database as one SQLite file: written from the site's, checked, and loaded."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from experiments.backup.rows import BackupError, Progress, copy_rows
from experiments.db.new_tables import make_tables
from experiments.models import User

FILE = "backup_file"
# It is flushed as a whole when it is ready.
OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA synchronous=OFF; PRAGMA cache_size=-20000;",
}


@contextmanager
def opened(path: Path, alias: str = FILE) -> Iterator[str]:
    """The file as a database of Django. As the default one, everything uses it."""
    default = connections[DEFAULT_DB_ALIAS]
    facts = connections.settings[DEFAULT_DB_ALIAS]
    engine = "django.db.backends.sqlite3"
    facts = {**facts, "ENGINE": engine, "NAME": str(path), "OPTIONS": OPTIONS}
    connections[alias] = opened = DatabaseWrapper(facts, alias)
    try:
        yield alias
    finally:
        opened.close()
        if alias == DEFAULT_DB_ALIAS:
            connections[alias] = default
        else:
            del connections[alias]


def save_database(path: Path, progress: Progress) -> dict[str, int]:
    """Write all of the site's database, at one moment, into a new file; returns how
    many rows each table has."""
    progress("rows copied", 0, 0)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", (str(path),))
    else:
        _save_rows(path, progress)
    return check_database(path)


def _save_rows(path: Path, progress: Progress) -> None:
    refuse_newer(DEFAULT_DB_ALIAS)
    refuse_older(DEFAULT_DB_ALIAS)
    with opened(path) as file:
        make_tables(file, MigrationRecorder(connection).applied_migrations())
    with opened(path) as file, transaction.atomic(), transaction.atomic(file):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        copy_rows(DEFAULT_DB_ALIAS, file, progress)


def check_database(path: Path) -> dict[str, int]:
    """How many rows each table has. Raises BackupError if the file is damaged."""
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check")]
            broken = database.execute("PRAGMA foreign_key_check").fetchall()
            if found != ["ok"] or broken:
                found += [f"row {row[1]} of {row[0]} refers to none" for row in broken]
                raise BackupError(f"{path} is damaged: {'; '.join(found[:5])}.")
            return _counts(database)
    except sqlite3.Error as problem:
        raise BackupError(f"{path} is damaged: {problem}.") from problem


def _counts(database: sqlite3.Connection) -> dict[str, int]:
    names = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()
    count = 'SELECT COUNT(*) FROM "{}"'
    return {
        name: int(database.execute(count.format(name)).fetchone()[0])
        for (name,) in names
    }


# --- loading ------------------------------------------------------------------------


def refuse_unless_empty() -> None:
    """The site's database may have tables, and rows that setup does not make."""
    tables = connection.introspection.table_names()
    if User._meta.db_table in tables and User.objects.exists():
        name = connection.settings_dict["NAME"]
        raise BackupError(
            f"The database {name} is in use: it has users. Set DATABASE_URL or"
            " SWEEPSITE_HOME to an empty one."
        )


def refuse_newer(alias: str) -> None:
    """A version of sweepsite cannot read the tables of a newer one."""
    loader = MigrationLoader(connections[alias])
    known = set(loader.disk_migrations)
    ours = {app for app, _ in known}
    newer = [each for each in set(loader.applied_migrations) - known if each[0] in ours]
    if newer:
        raise BackupError(
            f"The database is of a newer version of sweepsite, which has"
            f" {max(newer)[1]}. Install that version."
        )


def refuse_older(alias: str) -> None:
    executor = MigrationExecutor(connections[alias])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise BackupError("The database is of an older version. Run manage.py setup.")


def load_rows(path: Path, progress: Progress, *, then: Callable[[], None]) -> None:
    """Put all rows of the file into the site's database, which must be empty, and call
    ``then``, in one transaction."""
    call_command("migrate", verbosity=0, interactive=False)
    with opened(path) as file, transaction.atomic(), transaction.atomic(file):
        copy_rows(file, DEFAULT_DB_ALIAS, progress)
        then()
