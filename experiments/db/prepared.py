"""Prepared statements: the ORM compiles them once, and each call only fills in values.

Compiling a query takes the ORM several times as long as a database needs to answer it
by an index, and one metric report needs a dozen. Write a queryset as usual, with a
Placeholder for each value. PostgreSQL keeps its plans as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Expression, Model, QuerySet
from django.db.models.sql import InsertQuery, UpdateQuery

M = TypeVar("M", bound=Model)


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


def planned_cursor() -> Any:
    """A cursor whose statements PostgreSQL plans once for each connection.

    The ORM's own cursor sends a text that contains the values, so it is new each time.
    """
    if connection.vendor != "postgresql" or not settings.KEEP_PLANS:
        return connection.cursor()
    from experiments.db.prepared_postgresql import PlannedCursor

    # As the ORM does: connect again if the connection was lost.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor: Any = PlannedCursor(connection.connection)
    if connection.queries_logged:
        return connection.make_debug_cursor(cursor)
    return connection.make_cursor(cursor)


class Select:
    """The rows of a values_list() queryset, which is made at the first use.

    With `sliced` it takes a `limit` and an `offset`, for which the ORM has no
    placeholders.
    """

    def __init__(
        self, make: Callable[[], QuerySet[Any, Any]], *, sliced: bool = False
    ) -> None:
        self._make = make
        self._sliced = sliced

    @cached_property
    def _compiled(self) -> tuple[Compiled, Mapping[int, Any]]:
        compiler = self._make().query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        if self._sliced:
            sql += " LIMIT %s OFFSET %s"
            params = (*params, Placeholder("limit"), Placeholder("offset"))
        columns = [column for column, *_ in compiler.select]
        return Compiled(sql, params), compiler.get_converters(columns)

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
    """The first row of a queryset as a model instance, with only the named columns (or
    all). `joined` names columns of related rows, by foreign key."""

    def __init__(
        self,
        make: Callable[[], QuerySet[M]],
        model: type[M],
        *names: str,
        **joined: Sequence[str],
    ) -> None:
        self._model = model
        self._names = names
        self._joined = joined
        self._select = Select(lambda: make().values_list(*self._paths))

    @cached_property
    def _columns(self) -> Sequence[str]:
        return _in_order(self._model, self._names)

    @cached_property
    def _relations(self) -> Mapping[str, tuple[Any, Sequence[str]]]:
        """The related model and its columns, by foreign key."""
        meta: Any = self._model._meta
        models = {name: meta.get_field(name).related_model for name in self._joined}
        return {
            name: (model, _in_order(model, self._joined[name]))
            for name, model in models.items()
        }

    @property
    def _paths(self) -> Iterator[str]:
        yield from self._columns
        for relation, (_, columns) in self._relations.items():
            yield from (f"{relation}__{column}" for column in columns)

    def first(self, **values: object) -> M | None:
        """The instance for these values, or None."""
        row = self._select.first(**values)
        if row is None:
            return None
        cells = iter(row)
        found = _built(self._model, self._columns, cells)
        for relation, (model, columns) in self._relations.items():
            setattr(found, relation, _built(model, columns, cells))
        return found


def _in_order(model: type[Model], names: Sequence[str]) -> Sequence[str]:
    """These columns, or all, in the order for from_db(): the primary key is first."""
    fields = model._meta.concrete_fields
    wanted = {model._meta.pk.name, *names} if names else {f.name for f in fields}
    return [field.attname for field in fields if field.name in wanted]


def _built(model: type[M], columns: Sequence[str], cells: Iterator[Any]) -> M | None:
    """The instance in the next cells; None if the join found no row."""
    values = list(islice(cells, len(columns)))
    if values[0] is None:
        return None
    return model.from_db(DEFAULT_DB_ALIAS, columns, values)


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


class Insert:
    """An INSERT of one row. Columns that are not named get the database's defaults."""

    def __init__(self, model: type[Model], *names: str) -> None:
        self._model = model
        self._names = names

    @cached_property
    def _fields(self) -> Sequence[Any]:
        return [self._model._meta.get_field(name) for name in self._names]

    @cached_property
    def _compiled(self) -> Compiled:
        slots = {field.attname: Placeholder(field.attname) for field in self._fields}
        query = InsertQuery(self._model)
        query.insert_values(self._fields, [self._model(**slots)])
        ((sql, params),) = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
        return Compiled(sql, params)

    def run(self, row: Model) -> None:
        """Store the row. Its id is not read back."""
        values = {
            field.attname: field.get_db_prep_save(
                getattr(row, field.attname), connection
            )
            for field in self._fields
        }
        with planned_cursor() as cursor:
            cursor.execute(self._compiled.sql, self._compiled.filled(values))
