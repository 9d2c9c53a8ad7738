"""Copies all rows between two databases that have our tables, and compares them.

Which tables there are follows from the models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from experiments.db.new_tables import tables

# What is done now, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]
Row = tuple[Any, ...]
CHUNK = 1_000


class BackupError(Exception):
    """Why a backup, a restore or a move is impossible, as sentences."""


@dataclass
class TableContent:
    """How many rows a table has, and a checksum that does not depend on their order."""

    rows: int = 0
    checksum: int = 0

    def add(self, row: Row) -> None:
        text = json.dumps([_plain(value) for value in row], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        self.rows += 1
        self.checksum = (self.checksum + int.from_bytes(digest)) % (1 << 256)


def _plain(value: Any) -> Any:
    """The same for a value of either database: numbers in JSON change their type."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, bytes | memoryview):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def copy_rows(source: str, target: str, progress: Progress) -> dict[str, TableContent]:
    """Replace all rows of the target, in a transaction that is open on both, and read
    them again. Raises BackupError if the two then differ."""
    counts = {each: _all(each, source).count() for each in tables()}
    total, done = sum(counts.values()), 0
    _delete_all(connections[target])
    copied: dict[str, TableContent] = {}
    for model in counts:
        content = TableContent()
        rows = _read(model, source, content)
        _write(model, connections[target], _told(rows, progress, done, total))
        _set_last_id(model, connections[target], _last_id(model, connections[source]))
        copied[model._meta.db_table] = content
        done += content.rows
    _compare(copied, target, progress)
    return copied


def _compare(
    copied: Mapping[str, TableContent], target: str, progress: Progress
) -> None:
    total, done, different = sum(each.rows for each in copied.values()), 0, []
    for model in tables():
        progress("rows compared", done, total)
        content, expected = TableContent(), copied[model._meta.db_table]
        for _ in _read(model, target, content):
            pass
        done += content.rows
        if content != expected:
            different.append(
                f"{model._meta.db_table} ({expected.rows} rows, now {content.rows})"
            )
    progress("rows compared", done, total)
    if different:
        raise BackupError(f"The copy differs in {', '.join(different)}.")


# --- reading and writing a table --------------------------------------------------


def _fields(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return [
        field
        for field in model._meta.local_concrete_fields
        if not getattr(field, "generated", False)
    ]


def _all(model: type[models.Model], alias: str) -> models.QuerySet[Any]:
    """Also the rows that the models' own managers leave out."""
    return model._base_manager.using(alias).order_by()


def _read(
    model: type[models.Model], alias: str, content: TableContent
) -> Iterator[Row]:
    """Its rows as Python values, which are added to the content."""
    names = [field.attname for field in _fields(model)]
    for row in _all(model, alias).values_list(*names).iterator(chunk_size=CHUNK):
        content.add(row)
        yield row


def _told(
    rows: Iterable[Row], progress: Progress, done: int, total: int
) -> Iterator[Row]:
    for n, row in enumerate(rows):
        if n % CHUNK == 0:
            progress("rows copied", done + n, total)
        yield row


def _write(
    model: type[models.Model], target: BaseDatabaseWrapper, rows: Iterable[Row]
) -> None:
    """Raises BackupError for a value that the other database does not take."""
    fields, quote = _fields(model), target.ops.quote_name
    table = quote(model._meta.db_table)
    columns = ", ".join(quote(str(field.column)) for field in fields)
    stored = (
        [f.get_db_prep_save(v, target) for f, v in zip(fields, row, strict=True)]
        for row in rows
    )
    try:
        with target.cursor() as cursor:
            if target.vendor == "postgresql":
                into = f"COPY {table} ({columns}) FROM STDIN"
                with target.wrap_database_errors, cursor.copy(into) as copy:
                    for row in stored:
                        copy.write_row(row)
                return
            places = ", ".join(["%s"] * len(fields))
            # No text of a user is part of it.
            command = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 # nosec B608
            cursor.executemany(command, stored)  # type: ignore[arg-type]
    except DatabaseError as problem:
        raise BackupError(_why(problem, model._meta.db_table)) from problem


def _why(problem: DatabaseError, table: str) -> str:
    """With the line of the table and the column, where the database names them."""
    diag = getattr(problem.__cause__, "diag", None)
    where = str(getattr(diag, "context", None) or table)
    what = getattr(diag, "message_primary", None) or str(problem)
    return f"A row cannot be stored: {what} ({where.splitlines()[0][:300]})."


def _delete_all(target: BaseDatabaseWrapper) -> None:
    """Constraints are checked at the end of the transaction."""
    with target.cursor() as cursor:
        for model in tables():
            name = target.ops.quote_name(model._meta.db_table)
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 # nosec B608


# --- ids, which are never used again ------------------------------------------------


def _counts_ids(model: type[models.Model]) -> bool:
    return isinstance(model._meta.pk, models.AutoField | models.BigAutoField)


def _last_id(model: type[models.Model], source: BaseDatabaseWrapper) -> int:
    """The highest id that its table ever had; 0 if none."""
    if not _counts_ids(model):
        return 0
    table = model._meta.db_table
    with source.cursor() as cursor:
        if source.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, %s))",
                (source.ops.quote_name(table), model._meta.pk.column),
            )
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", (table,))
        found = cursor.fetchone()
    return int(found[0] or 0) if found else 0


def _set_last_id(
    model: type[models.Model], target: BaseDatabaseWrapper, last: int
) -> None:
    """Let the table's next row get the id after this one."""
    if not _counts_ids(model):
        return
    table = model._meta.db_table
    with target.cursor() as cursor:
        if target.vendor == "postgresql":
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s, %s)",
                (
                    *(target.ops.quote_name(table), model._meta.pk.column),
                    *(max(last, 1), last > 0),
                ),
            )
            return
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", (table,))
        cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, %s)", (table, last))
