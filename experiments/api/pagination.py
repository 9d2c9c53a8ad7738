"""Listings: {"items", "next"}, where ``next`` is the cursor of the page after.

A cursor is the place of the last item in the listing's order, not a count: rows that
come or go meanwhile make no item appear twice or be skipped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, QuerySet
from ninja import Query, Schema
from pydantic import Field

from experiments.api.errors import ApiError

M = TypeVar("M", bound=Model)
T = TypeVar("T")

# Databases keep whole numbers in 64 bits.
BEYOND = 2**63

Cursor = Annotated[
    str | None, Query(max_length=1_000, description="`next` of the page before.")
]
Limit = Annotated[int, Query(ge=1, le=500, description="Items a page.")]


class Listing(Schema, Generic[T]):
    items: list[T]
    next: Annotated[
        str | None, Field(description="Cursor of the next page; null on the last.")
    ] = None


class Key(NamedTuple):
    """A column to order by; where it may be null, nulls come last."""

    column: str
    descending: bool = False


def keyset_page(
    rows: QuerySet[M], *keys: Key, limit: int, cursor: str | None
) -> tuple[list[M], str | None]:
    """One page of rows in the order of the keys, and the cursor of the next page.

    The keys together must be unique. Raises ApiError for a cursor of another order.
    """
    if cursor is not None:
        rows = rows.filter(_after(keys, _values(rows, keys, cursor)))
    found = list(rows.order_by(*(_ordering(rows, key) for key in keys))[: limit + 1])
    if len(found) <= limit:
        return found, None
    return found[:limit], _cursor(keys, found[limit - 1])


def _ordering(rows: QuerySet[M], key: Key) -> Any:
    nullable = _field(rows, key).null
    order = F(key.column).desc if key.descending else F(key.column).asc
    return order(nulls_last=True) if nullable else order()


def _after(keys: Sequence[Key], values: Sequence[Any]) -> Q:
    """Equal in the first keys and beyond in the next one, for any number of them."""
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


def _field(rows: QuerySet[M], key: Key) -> Any:
    return rows.model._meta.get_field(key.column)


def _order_name(keys: Sequence[Key]) -> str:
    return ",".join(f"{'-' if key.descending else ''}{key.column}" for key in keys)


def _cursor(keys: Sequence[Key], row: Model) -> str:
    place = [_order_name(keys), *(getattr(row, key.column) for key in keys)]
    # Moments in full: cut to milliseconds they would skip rows.
    text = json.dumps(place, default=lambda moment: moment.isoformat())
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _values(rows: QuerySet[M], keys: Sequence[Key], cursor: str) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        order, *texts = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        if order != _order_name(keys):
            raise ValueError(order)
        return [
            None if text is None else _value(_field(rows, key), text)
            for key, text in zip(keys, texts, strict=True)
        ]
    except (ValueError, TypeError, OverflowError, ValidationError) as error:
        sentence = "Not a cursor of this listing in this order; leave it out to start."
        raise ApiError(422, "invalid", sentence, {"cursor": [sentence]}) from error


def _value(field: Any, text: Any) -> Any:
    """What a cursor's text stands for. Raises ValueError or OverflowError for what no
    database would take."""
    if isinstance(text, str) and "\0" in text:
        raise ValueError(text)
    value = field.to_python(text)
    if isinstance(value, int) and abs(value) >= BEYOND:
        raise OverflowError(value)
    if isinstance(value, datetime):
        # In some zones the first and last days of the calendar lie outside it.
        return value.astimezone(UTC)
    return value
