"""Listings: {"items", "next"}, where ``next`` is the cursor of the next page; or all of
it as one file of CSV or JSON lines.

A cursor is the position of the last item in the listing's order, not a count: no item
appears twice or is skipped when rows come or go meanwhile.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Schema
from ninja.operation import Operation
from ninja.pagination import (
    PaginationBase,
    _find_collection_response,
    make_response_paginated,
)
from ninja.utils import contribute_operation_args, contribute_operation_callback
from pydantic import Field, create_model

from experiments.api.errors import invalid
from experiments.api.exports import export

# Databases keep whole numbers in 64 bits.
BEYOND = 2**63


class PageIn(PaginationBase.Input):
    limit: int
    cursor: Annotated[
        str | None, Field(max_length=1_000, description="`next` of the page before.")
    ] = None
    format: Annotated[
        Literal["json", "csv", "jsonl"],
        Field(description="csv or jsonl: all items in one file, not a page."),
    ] = "json"


class PageOut(Schema):
    items: list[Any]
    next: Annotated[
        str | None, Field(description="Cursor of the next page; null on the last.")
    ] = None


@dataclass(frozen=True)
class Listing:
    """Rows that are no queryset. `order` names the whole numbers of their places;
    `page` returns up to that many (place, row) after a place."""

    order: str
    page: Callable[[tuple[int, ...] | None, int], Sequence[tuple[tuple[int, ...], Any]]]


class KeysetPagination(PaginationBase):
    """Pages of the queryset that a view returns, in its order, which must be unique.

    ``rows`` makes a page's items at once, so that a page has a fixed number of queries;
    ``rows_for`` also gets the request, of which items depend on who asks.
    """

    Output = PageOut  # type: ignore[assignment]  # ours counts nothing

    def __init__(
        self,
        *,
        rows: Callable[[Sequence[Any]], Sequence[Any]] = list,
        rows_for: Callable[[HttpRequest, Sequence[Any]], Sequence[Any]] | None = None,
        limit: int = 50,
        max_limit: int = 500,
    ) -> None:
        super().__init__()
        self._rows_for = rows_for or (lambda request, page: rows(page))
        self._max_limit = max_limit
        self.item: type[Schema] = Schema
        field = Field(limit, ge=1, le=max_limit, description="Items a page.")
        self.Input = create_model("PageIn", __base__=PageIn, limit=(int, field))

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Listing,
        pagination: PageIn,
        request: HttpRequest,
        **params: Any,
    ) -> dict[str, Any]:
        """Raises ApiError for a cursor of another order."""
        if isinstance(queryset, Listing):
            return self._listed(queryset, pagination, request)
        keys = [_key(name) for name in queryset.query.order_by]
        if pagination.cursor is not None:
            values = _values(queryset, keys, pagination.cursor)
            queryset = queryset.filter(_after(keys, values))
        ordered = queryset.order_by(*(_ordering(queryset, key) for key in keys))
        found = list(ordered[: pagination.limit + 1])
        page = found[: pagination.limit]
        following = _cursor(keys, page[-1]) if len(found) > len(page) else None
        return {"items": self._rows_for(request, page), "next": following}

    def export(
        self, queryset: QuerySet[Any] | Listing, asked: PageIn, request: HttpRequest
    ) -> HttpResponseBase:
        """All items from the cursor on."""

        def pages() -> Iterator[Sequence[Any]]:
            following = asked.model_copy(update={"limit": self._max_limit})
            while True:
                page = self.paginate_queryset(queryset, following, request)
                yield page["items"]
                if page["next"] is None:
                    return
                following.cursor = page["next"]

        found = pages()
        # What is refused is so before the answer begins.
        first = next(found)
        rows = (self._as_item(row) for page in chain([first], found) for row in page)
        name = request.path.rstrip("/").rpartition("/")[2]
        return export(rows, asked.format, name)

    def _as_item(self, row: Any) -> Any:
        return self.item.from_orm(row) if isinstance(row, Model) else row

    def contribute(self, operation: Operation) -> None:
        """The operation answers with pages of what it says it returns."""
        self.item = _find_collection_response(operation)[1]
        make_response_paginated(self, operation)

    def _listed(
        self, listing: Listing, pagination: PageIn, request: HttpRequest
    ) -> dict[str, Any]:
        after = None
        if pagination.cursor is not None:
            after = _numbers(pagination.cursor, listing.order)
        found = listing.page(after, pagination.limit + 1)
        page = found[: pagination.limit]
        more = len(found) > len(page)
        following = _encoded([listing.order, *page[-1][0]]) if more else None
        rows = self._rows_for(request, [row for _, row in page])
        return {"items": rows, "next": following}


def paginate(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a view that returns a queryset; see KeysetPagination."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        # Ninja would look for the names of postponed annotations in its own module.
        view.__annotations__ = get_type_hints(view, include_extras=True)
        paginator = KeysetPagination(**options)

        @wraps(view)
        def paginated(request: HttpRequest, **given: Any) -> Any:
            asked: PageIn = given.pop("page")
            queryset = view(request, **given)
            if asked.format != "json":
                return paginator.export(queryset, asked, request)
            return paginator.paginate_queryset(queryset, asked, request)

        contribute_operation_args(
            paginated, "page", paginator.Input, paginator.InputSource
        )
        contribute_operation_callback(paginated, paginator.contribute)
        return paginated

    return decorate


class Key(NamedTuple):
    """A column to order by; where it may be null, nulls come last."""

    column: str
    descending: bool


def _key(name: Any) -> Key:
    return Key(name.lstrip("-"), descending=name.startswith("-"))


def _ordering(rows: QuerySet[Any], key: Key) -> Any:
    nullable = _field(rows, key).null
    order = F(key.column).desc if key.descending else F(key.column).asc
    return order(nulls_last=True) if nullable else order()


def _after(keys: Sequence[Key], values: Sequence[Any]) -> Q:
    """Equal in the first keys and beyond in the next one, for any number of keys."""
    beyond, same = Q(pk__in=[]), Q()
    for key, value in zip(keys, values, strict=True):
        if value is None:
            same &= Q(**{f"{key.column}__isnull": True})
            continue
        compare = "lt" if key.descending else "gt"
        later = Q(**{f"{key.column}__{compare}": value})
        beyond |= same & (later | Q(**{f"{key.column}__isnull": True}))
        same &= Q(**{key.column: value})
    return beyond


def _field(rows: QuerySet[Any], key: Key) -> Any:
    return rows.model._meta.get_field(key.column)


def _order_name(keys: Sequence[Key]) -> str:
    return ",".join(f"{'-' if key.descending else ''}{key.column}" for key in keys)


def _cursor(keys: Sequence[Key], row: Model) -> str:
    return _encoded([_order_name(keys), *(getattr(row, key.column) for key in keys)])


def _encoded(place: Sequence[Any]) -> str:
    # Moments in full: cut to milliseconds they would skip rows.
    text = json.dumps(place, default=lambda moment: moment.isoformat())
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _values(rows: QuerySet[Any], keys: Sequence[Key], cursor: str) -> list[Any]:
    with _valid_cursor():
        return [
            None if text is None else _value(_field(rows, key), text)
            for key, text in zip(keys, _decoded(cursor, _order_name(keys)), strict=True)
        ]


def _numbers(cursor: str, order: str) -> tuple[int, ...]:
    with _valid_cursor():
        numbers = tuple(int(number) for number in _decoded(cursor, order))
        if len(numbers) != len(order.split(",")):
            raise ValueError(numbers)
        if any(abs(number) >= BEYOND for number in numbers):
            raise OverflowError(numbers)
        return numbers


@contextmanager
def _valid_cursor() -> Iterator[None]:
    try:
        yield
    except (
        LookupError,
        ValueError,
        TypeError,
        OverflowError,
        ValidationError,
    ) as error:
        sentence = "Not a cursor of this listing in this order; leave it out to start."
        raise invalid("cursor", sentence) from error


def _decoded(cursor: str, order: str) -> list[Any]:
    padded = cursor + "=" * (-len(cursor) % 4)
    found: list[Any] = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    if found[0] != order:
        raise ValueError(found)
    return found[1:]


def _value(field: Any, text: Any) -> Any:
    """The value of a cursor's text. Raises ValueError or OverflowError for values that
    no database takes."""
    if isinstance(text, str) and "\0" in text:
        raise ValueError(text)
    value = field.to_python(text)
    if isinstance(value, int) and abs(value) >= BEYOND:
        raise OverflowError(value)
    if isinstance(value, datetime):
        # In some zones the calendar's first and last days are out of range.
        return value.astimezone(UTC)
    return value
