"""Conditions of requests: what a program has already is not sent again (304), and what
another person has changed meanwhile is not overwritten (412).

Each JSON answer to a GET has an ``ETag``, a digest of its content.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import wraps
from hashlib import sha256
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags
from ninja import NinjaAPI

from experiments.api.errors import ApiError

CHANGING = frozenset({"PUT", "PATCH", "DELETE"})
CONDITIONS = frozenset({"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_RANGE"})
REFUSED = frozenset({401, 403, 404})
Run = Callable[..., HttpResponseBase]


def conditional(api: NinjaAPI) -> Callable[[Run], Run]:
    """A decorator for every operation of the API."""

    def decorate(run: Run) -> Run:
        @wraps(run)
        def answered(request: HttpRequest, **path: Any) -> HttpResponseBase:
            if request.method in CHANGING and "If-Match" in request.headers:
                try:
                    return _if_unchanged(request, lambda: run(request, **path))
                except ApiError as error:
                    return api.on_exception(request, error)
            answer: HttpResponseBase = _with_etag(request, run(request, **path))
            return answer

        return answered

    return decorate


def _with_etag(request: HttpRequest, response: Any) -> Any:
    if request.method != "GET" or not _is_json(response):
        return response
    etag = _etag(response)
    response.headers["ETag"] = etag
    found = get_conditional_response(request, etag=etag, response=response)
    return found or response


def _is_json(response: HttpResponseBase) -> bool:
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    return response.status_code == 200 and kind == "application/json"


def _etag(response: Any) -> str:
    return f'"{sha256(response.content).hexdigest()[:32]}"'


def _if_unchanged(
    request: HttpRequest, change: Callable[[], HttpResponseBase]
) -> HttpResponseBase:
    """Programs that send If-Match for one address take their turns."""
    with transaction.atomic():
        _lock(request.path)
        _check(request)
        response = change()
        if response.status_code >= 400:
            transaction.set_rollback(True)
    return response


def _lock(path: str) -> None:
    """SQLite has one writer at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [path])


def _reading(request: HttpRequest) -> Any:
    """A GET of the same address, as JSON; it may not know all parameters."""
    reading: Any = copy(request)
    reading.is_condition = True
    reading.method = "GET"
    reading.META = {n: v for n, v in request.META.items() if n not in CONDITIONS}
    # The format is that of a document that is sent, or of an export.
    query = request.GET.copy()
    query.pop("format", None)
    reading.GET = query
    return reading


def _check(request: HttpRequest) -> None:
    """What a GET of the same address answers now decides. Raises ApiError."""
    match: Any = request.resolver_match
    now = match.func(_reading(request), *match.args, **match.kwargs)
    if now.status_code in REFUSED:
        # The operation says so itself.
        return
    if "ETag" not in now.headers:
        words = "If-Match needs an address that answers to GET. Leave it out."
        raise ApiError(422, "invalid", words)
    wanted = parse_etags(request.headers["If-Match"])
    if wanted != ["*"] and now.headers["ETag"] not in wanted:
        raise ApiError(
            412,
            "changed",
            "It has changed since you read it. Read it again, then send your change"
            " with its new ETag.",
        )
