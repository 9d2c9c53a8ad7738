"""The numbers behind the charts of a sweep, as JSON for scripts."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers

from experiments.db.clock import database_now
from experiments.pages.frame import get, sweep_to_read
from experiments.pages.sweep.summary import combinations, planned_trials
from experiments.sweeps.columns import sweep_columns

# Less than this is not worth packing.
MIN_PACKED = 1_000
encode = msgspec.json.Encoder().encode


def json_answer(request: HttpRequest, answer: Any) -> HttpResponse:
    """The answer, packed if the browser can unpack it. NaN becomes null."""
    body = encode(answer)
    response = HttpResponse(body, content_type="application/json")
    patch_vary_headers(response, ("Accept-Encoding",))
    if len(body) >= MIN_PACKED and "gzip" in request.headers.get("Accept-Encoding", ""):
        # Higher levels take five times as long, for 7 % fewer bytes.
        response.content = gzip.compress(body, compresslevel=1)
        response["Content-Encoding"] = "gzip"
    response["Cache-Control"] = "private, no-cache"
    return response


def columns(request: HttpRequest, pk: int) -> HttpResponse:
    """All trials as columns, or those that changed ``?since=`` the last answer."""
    sweep = sweep_to_read(request, pk)
    now = database_now().timestamp()
    found = sweep_columns(sweep)
    since = request.GET.get("since", "")
    if not since and request.headers.get("If-None-Match") == found.etag:
        return HttpResponseNotModified(headers={"ETag": found.etag})
    planned = planned_trials(sweep, len(found.data), combinations(sweep))
    response = json_answer(request, found.answer(since, now=now, planned=planned))
    if not since:
        response["ETag"] = found.etag
    return response


urlpatterns = [
    get("sweeps/<int:pk>/columns.json", columns, "sweep_columns"),
]
