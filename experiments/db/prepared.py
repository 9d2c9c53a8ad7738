"""Prepared statements: the ORM compiles them once, and each call only fills in values.

Compiling a query takes the ORM several times as long as a database needs to answer it
by an index, and one metric report needs a dozen. Write a queryset as usual, with a
Placeholder for each value. PostgreSQL keeps its plans as well.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache, cached_property, lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, Model, QuerySet
from django.db.models.sql import UpdateQuery

M = TypeVar("M", bound=Model)
PLACE = re.compile(r"(?<!%)%s")


class Placeholder(Expression):
    """Stands for a value, a number or a text that needs no conversion."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class Compiled(NamedTuple):
    """The text of a statement and its parameters, some of which are placeholders."""

    sql: str
    params: Sequence[Any]

    def filled(self, values: Mapping[str, Any]) -> list[Any]:
        return [
            values[p.name] if isinstance(p, Placeholder) else p for p in self.params
        ]


@cache
def vendor() -> str:
    """Of the database; asking the connection takes as long as a small statement."""
    return str(connection.vendor)


@contextmanager
def planned_cursor() -> Iterator[Any]:
    """A cursor for statements that repeat.

    PostgreSQL plans them once for each connection: the ORM's own cursor sends a text
    that contains the values, so it is new each time. SQLite answers by an index in a
    fraction of the time that the layers of the ORM's own cursor take.
    """
    own = connections[DEFAULT_DB_ALIAS]
    make = _cursor_class(vendor())
    if make is None:
        with own.cursor() as cursor:
            yield cursor
        return
    # As the ORM does: connect again if the connection was lost.
    own.close_if_health_check_failed()
    own.ensure_connection()
    own.validate_no_broken_transaction()
    with own.wrap_database_errors, closing(make(own.connection)) as cursor:
        is_watched = own.queries_logged or own.execute_wrappers
        yield own.make_debug_cursor(cursor) if is_watched else cursor


@cache
def _cursor_class(kind: str) -> Any:
    if kind == "sqlite":
        return SqliteCursor
    if kind == "postgresql" and settings.KEEP_PLANS:
        from experiments.db.prepared_postgresql import PlannedCursor

        return PlannedCursor
    return None


class SqliteCursor(sqlite3.Cursor):
    """Takes the same texts as the ORM's cursors."""

    def execute(self, text: str, values: Any = ()) -> Any:
        return super().execute(_with_marks(text), values)

    def executemany(self, text: str, rows: Any) -> Any:
        return super().executemany(_with_marks(text), rows)


@lru_cache(maxsize=200)
def _with_marks(text: str) -> str:
    return PLACE.sub("?", text).replace("%%", "%")


class Select:
    """The rows of a values_list() queryset, which is made at the first use."""

    def __init__(self, make: Callable[[], QuerySet[Any, Any]]) -> None:
        self._make = make

    @cached_property
    def _compiled(self) -> tuple[Compiled, Mapping[int, Any]]:
        compiler = self._make().query.get_compiler(DEFAULT_DB_ALIAS)
        compiled = Compiled(*compiler.as_sql())
        columns = [column for column, *_ in compiler.select]
        return compiled, compiler.get_converters(columns)

    def rows(self, **values: object) -> list[tuple[Any, ...]]:
        """All rows for these values, converted as by the ORM."""
        compiled, converters = self._compiled
        with planned_cursor() as cursor:
            cursor.execute(compiled.sql, compiled.filled(values))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return [_converted(row, converters) for row in rows] if converters else rows

    def first(self, **values: object) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.rows(**values)), None)


def _converted(row: Sequence[Any], converters: Mapping[int, Any]) -> tuple[Any, ...]:
    found = list(row)
    for place, (functions, column) in converters.items():
        for function in functions:
            found[place] = function(found[place], column, connection)
    return tuple(found)


class SelectObject(Generic[M]):
    """The first row of a queryset as a model instance, with all its columns."""

    def __init__(self, make: Callable[[], QuerySet[M]], model: type[M]) -> None:
        self._model = model
        self._select = Select(lambda: make().values_list(*self._columns))

    @cached_property
    def _columns(self) -> Sequence[str]:
        return [field.attname for field in self._model._meta.concrete_fields]

    def first(self, **values: object) -> M | None:
        """The instance for these values, or None."""
        row = self._select.first(**values)
        if row is None:
            return None
        return self._model.from_db(DEFAULT_DB_ALIAS, self._columns, row)


class Update:
    """An UPDATE of the rows of a queryset, which is made at the first use."""

    def __init__(
        self, make: Callable[[], QuerySet[Any, Any]], **columns: object
    ) -> None:
        self._make = make
        self._columns = columns

    @cached_property
    def _compiled(self) -> Compiled:
        query: Any = self._make().query.chain(UpdateQuery)
        query.add_update_values(self._columns)
        return Compiled(*query.get_compiler(DEFAULT_DB_ALIAS).as_sql())

    def run(self, **values: object) -> int:
        """Run it with these values; returns how many rows changed."""
        with planned_cursor() as cursor:
            cursor.execute(self._compiled.sql, self._compiled.filled(values))
            return int(cursor.rowcount)

    def run_each(self, rows: Sequence[Mapping[str, object]]) -> int:
        """The same for some rows of values."""
        if len(rows) < 2:
            return sum(self.run(**row) for row in rows)
        with planned_cursor() as cursor:
            filled = [self._compiled.filled(row) for row in rows]
            cursor.executemany(self._compiled.sql, filled)
            return int(cursor.rowcount)
