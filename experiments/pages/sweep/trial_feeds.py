"""The Trials tab and its feeds: rows, what matches, and what may be typed next."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from experiments.db.clock import database_now
from experiments.models.trials import TRIAL_LIVE
from experiments.pages.filter_answers import (
    chip_text,
    completion_json,
    conditions_json,
    error_json,
)
from experiments.pages.frame import get, may_steer, sweep_to_read, whole_number
from experiments.pages.saved_views import opened_view, view_menu
from experiments.pages.sweep.feed import FeedToken, frame_mark
from experiments.pages.sweep.head import frame
from experiments.pages.sweep.table_columns import column_choices
from experiments.pages.sweep.trial_answers import (
    MAX_COUNT,
    TrialAnswer,
)
from experiments.pages.sweep.trial_table import PAGE_SIZE, TableQuery, TableRows
from experiments.search.filters.lexer import MAX_CHARACTERS, FilterError
from experiments.sweeps.trial_filters import number_ranges

USUAL_COUNT = 60


def trial_answer(
    query: TableQuery, *, start: int = 0, count: int = USUAL_COUNT
) -> TrialAnswer:
    return TrialAnswer(query, TableRows(query), database_now(), start, count)


def _asked(request: HttpRequest, pk: int) -> TrialAnswer:
    query = TableQuery(sweep_to_read(request, pk), request.GET, few=False)
    start = whole_number(request.GET.get("from", "")) or 0
    count = whole_number(request.GET.get("count", "")) or USUAL_COUNT
    return trial_answer(query, start=start, count=min(count, MAX_COUNT))


def trials(request: HttpRequest, pk: int) -> HttpResponse:
    """All trials, in pages of PAGE_SIZE rows; with scripts, all in one table."""
    sweep = sweep_to_read(request, pk)
    if opened := opened_view(request, sweep.experiment, "trials"):
        return opened
    now = database_now()
    query = TableQuery(sweep, request.GET, few=False)
    table = TableRows(query)
    page = Paginator(table.order, PAGE_SIZE).get_page(request.GET.get("page"))
    start = max(0, page.start_index() - 1)
    counts = query.columns.data.counts
    mark = frame_mark(sweep, steers=may_steer(request, sweep))
    context = {
        **frame(request, sweep, counts, now=now),
        "tab": "sweep_trials",
        "since": str(FeedToken(now, mark)),
        "live": not sweep.has_ended or any(counts[state] for state in TRIAL_LIVE),
        "answer": TrialAnswer(query, table, now, start, PAGE_SIZE).json(),
        "page": page,
        "q": query.q,
        "sort": query.sort,
        "group": request.GET.get("group", ""),
        **_filter_form(query),
        "query": query.link().removeprefix("?"),
        "columns": list(
            column_choices(query.known.values(), query.shown, goal=sweep.goal)
        ),
        "views": view_menu(request, sweep.experiment, "trials"),
    }
    return render(request, "experiments/sweep/trials.html", context)


def _filter_form(query: TableQuery) -> dict[str, Any]:
    """What components/filter_form.html needs beside the filter and its error."""
    kept = ((name, query.params.get(name)) for name in ("sort", "group"))
    return {
        "kept": [(name, value) for name, value in kept if value],
        "conditions": [
            {"text": chip_text(each), "url": query.link(q=each.without)}
            for each in query.filter.conditions
        ],
        "clear": query.link(q=None),
    }


def rows(request: HttpRequest, pk: int) -> JsonResponse:
    """Rows of the table; for a filter that cannot be read only its error."""
    answer = _asked(request, pk)
    query, since = answer.query, request.GET.get("since", "")
    if query.error is not None:
        return JsonResponse({"error": error_json(query.error, query.q)})
    group = whole_number(request.GET.get("group_of", ""))
    if group is not None:
        return JsonResponse(answer.members(group))
    found = answer.json(since=since)
    if found["changed"] and request.GET.get("rail"):
        found["rail"] = answer.rail()
    return JsonResponse(found)


def find(request: HttpRequest, pk: int) -> JsonResponse:
    """Where a row is in the whole order."""
    answer = _asked(request, pk)
    if answer.query.error is not None:
        return JsonResponse({"error": error_json(answer.query.error, answer.query.q)})
    return JsonResponse(answer.find(request.GET.get("find", "")))


def matching(request: HttpRequest, pk: int) -> JsonResponse:
    """The numbers of all trials that match, in short."""
    query = TableQuery(sweep_to_read(request, pk), request.GET, few=False)
    return JsonResponse(_matching(query, with_numbers=True))


def _matching(query: TableQuery, *, with_numbers: bool) -> dict[str, Any]:
    if query.error is not None:
        return {"error": error_json(query.error, query.q)}
    numbers = query.columns.data.numbers[query.mask]
    found = {
        "count": len(numbers),
        "total": query.columns.size,
        "conditions": conditions_json(query.q, query.filter.conditions),
        "error": None,
    }
    return {**found, "numbers": number_ranges(numbers)} if with_numbers else found


def completion(request: HttpRequest, pk: int) -> JsonResponse:
    """What may be typed at the caret, and how many trials match; while the last
    condition cannot be read, of the ones before it."""
    query = TableQuery(sweep_to_read(request, pk), request.GET, few=False)
    text = request.GET.get("q", "")[: MAX_CHARACTERS + 1]
    at = whole_number(request.GET.get("at", ""))
    return JsonResponse(
        {
            **completion_json(text, at, query.filters.offers(), query.columns),
            "count": _count_so_far(query),
            **_matching(query, with_numbers=False),
        }
    )


def _count_so_far(query: TableQuery) -> int | None:
    before, joint, _ = query.q.rpartition(" and ")
    if query.error is None or not joint:
        return None if query.error else int(np.count_nonzero(query.mask))
    try:
        mask = query.filters.mask(query.filters.parse(before))
    except FilterError:
        return None
    return int(np.count_nonzero(mask))


urlpatterns = [
    get("sweeps/<int:pk>/trials/", trials, "sweep_trials"),
    get("sweeps/<int:pk>/rows.json", rows, "sweep_rows"),
    get("sweeps/<int:pk>/find.json", find, "sweep_find"),
    get("sweeps/<int:pk>/matching.json", matching, "sweep_matching"),
    get("sweeps/<int:pk>/complete.json", completion, "sweep_complete"),
]
