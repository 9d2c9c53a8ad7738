"""The numbers behind the charts of a sweep, as JSON for scripts."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Sweep
from experiments.pages.frame import get, sweep_to_read, whole_number
from experiments.pages.sweep.curve_data import curves_answer
from experiments.sweeps.analyses import importance_answer, needs, surface_answer
from experiments.sweeps.columns import (
    SweepColumns,
    chosen_columns,
    sweep_columns,
)
from experiments.sweeps.progress import combinations, planned_trials
from experiments.sweeps.timeline import ends_answer, timeline_answer
from experiments.sweeps.value_charts import edf_curve, edf_sentence, pareto_answer

# Less than this is not worth packing.
MIN_PACKED = 1_000


def _plain(value: Any) -> str:
    """Safe HTML is a kind of text that msgspec does not know."""
    return str(value) + ""


encode = msgspec.json.Encoder(enc_hook=_plain).encode


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


def _asked(request: HttpRequest, sweep: Sweep) -> SweepColumns:
    """The columns; ``?metric=loss.min`` draws this in place of the primary metric."""
    return chosen_columns(sweep, request.GET.get("metric", ""))


def columns(request: HttpRequest, pk: int) -> HttpResponse:
    """All trials as columns, or those that changed ``?since=`` the last answer."""
    sweep = sweep_to_read(request, pk)
    now = database_now().timestamp()
    found = _asked(request, sweep)
    since = request.GET.get("since", "")
    if not since and request.headers.get("If-None-Match") == found.etag:
        return HttpResponseNotModified(headers={"ETag": found.etag})
    planned = planned_trials(sweep, len(found.data), combinations(sweep))
    response = json_answer(request, found.answer(since, now=now, planned=planned))
    if not since:
        response["ETag"] = found.etag
    return response


def importance(request: HttpRequest, pk: int) -> HttpResponse:
    """Which parameters matter; ``?scope=range``: over their whole ranges."""
    found = _asked(request, sweep_to_read(request, pk))
    over_range = request.GET.get("scope") == "range"
    return json_answer(request, importance_answer(found, over_range=over_range))


def surface(request: HttpRequest, pk: int) -> HttpResponse:
    """The value over parameters ``?x=`` and ``?y=``."""
    found = _asked(request, sweep_to_read(request, pk))
    x, y = (request.GET.get(name, "") for name in ("x", "y"))
    return json_answer(request, surface_answer(found, x, y))


def pareto(request: HttpRequest, pk: int) -> HttpResponse:
    found = _asked(request, sweep_to_read(request, pk))
    return json_answer(request, pareto_answer(found))


def ends(request: HttpRequest, pk: int) -> HttpResponse:
    found = sweep_columns(sweep_to_read(request, pk))
    return json_answer(request, ends_answer(found))


def timeline(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    return json_answer(request, timeline_answer(sweep, database_now()))


def curves(request: HttpRequest, pk: int) -> HttpResponse:
    """Learning curves of trials ``?numbers=``, or of a fair sample."""
    found = _asked(request, sweep_to_read(request, pk))
    numbers = _whole_numbers([request.GET.get("numbers", "")])
    return json_answer(request, curves_answer(found, numbers))


def _whole_numbers(texts: Sequence[str]) -> list[int]:
    parts = ",".join(texts).split(",")
    return [number for part in parts if (number := whole_number(part)) is not None]


# Sweeps whose values are drawn beside those of the page's.
MAX_AGAINST = 5
MAX_CHOICES = 50


def edf(request: HttpRequest, pk: int) -> HttpResponse:
    """The distribution of values, beside those of sweeps ``?against=``."""
    sweep = sweep_to_read(request, pk)
    seen = access.sweeps_for(access.viewer(request)).exclude(pk=pk)
    wanted = _whole_numbers(request.GET.getlist("against"))
    others = list(seen.filter(pk__in=wanted[:MAX_AGAINST]))
    alike = [each for each in others if _is_like(each, sweep)]
    curves = [edf_curve(each, _asked(request, each)) for each in (sweep, *alike)]
    siblings = seen.filter(
        experiment=sweep.experiment_id,
        primary_metric=sweep.primary_metric,
        goal=sweep.goal,
    )
    answer = {
        "metric": sweep.primary_metric,
        "goal": sweep.goal,
        "left_out": [
            {"id": e.pk, "why": f"{e.label} has another metric, {e.primary_metric}."}
            for e in others
            if e not in alike
        ],
        "choices": [
            {"id": each.pk, "label": each.label}
            for each in siblings.order_by("-pk")[:MAX_CHOICES]
        ],
    }
    if not curves[0]["trials"]:
        return json_answer(request, answer | needs(1, 0))
    shown = {"ready": True, "sweeps": curves, "sentence": edf_sentence(curves)}
    return json_answer(request, answer | shown)


def _is_like(one: Sweep, other: Sweep) -> bool:
    return (one.primary_metric, one.goal) == (other.primary_metric, other.goal)


urlpatterns = [
    get("sweeps/<int:pk>/columns.json", columns, "sweep_columns"),
    get("sweeps/<int:pk>/importance.json", importance, "sweep_importance"),
    get("sweeps/<int:pk>/surface.json", surface, "sweep_surface"),
    get("sweeps/<int:pk>/pareto.json", pareto, "sweep_pareto"),
    get("sweeps/<int:pk>/curves.json", curves, "sweep_curves"),
    get("sweeps/<int:pk>/edf.json", edf, "sweep_edf"),
    get("sweeps/<int:pk>/timeline.json", timeline, "sweep_timeline"),
    get("sweeps/<int:pk>/ends.json", ends, "sweep_ends"),
]
