"""The learning curves of many trials: the best, those that run, and a fair sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.http import HttpRequest, HttpResponse
from numpy.typing import NDArray

from experiments.pages.curves import Points
from experiments.pages.frame import get, sweep_to_read
from experiments.pages.sweep.charts import MAX_TRIALS, points_each
from experiments.pages.sweep.charts_data import json_answer
from experiments.pages.trial_rows import report_curves
from experiments.sweeps.columns import LIVE_CODES, SweepColumns, sweep_columns
from experiments.sweeps.trial_data import TrialData

BEST, RUNNING = 20, 100
MAX_DIGITS = 15
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
# Fewer values than this have no percentiles.
MIN_VALUES = 10


def curves(request: HttpRequest, pk: int) -> HttpResponse:
    """The curves of ``?numbers=1,2``, else of a choice that its sentence describes."""
    found = sweep_columns(sweep_to_read(request, pk))
    asked = asked_numbers(request.GET.get("numbers", ""))
    data = found.data
    rows = np.isin(data.numbers, asked).nonzero()[0] if asked else drawn_rows(found)
    numbers = data.numbers[rows].tolist()
    ids = data.ids[rows].tolist()
    if not ids:
        return json_answer(request, {"ready": False, "sentence": "No trial yet."})
    by_id = report_curves(ids, most=points_each(len(ids)), wide=True)
    points = [by_id.get(trial, []) for trial in ids]
    return json_answer(request, _answer(found, numbers, points, is_choice=not asked))


def asked_numbers(text: str) -> list[int]:
    """Numbers of trials in the address; what is none is left out."""
    parts = text.split(",")[:MAX_TRIALS]
    return [
        int(part)
        for part in parts
        if part.isascii() and part.isdigit() and len(part) <= MAX_DIGITS
    ]


def drawn_rows(found: SweepColumns) -> NDArray[np.int64]:
    """The best, those that run, and others by a hash of their number: the same ones at
    each request."""
    data = found.data
    with_reports = (data.reports > 0) & found.drawn.shown
    order = np.argsort(found.score)
    best = order[np.isfinite(found.score[order])][:BEST]
    running = np.flatnonzero(np.isin(data.states, LIVE_CODES) & with_reports)[-RUNNING:]
    first = np.union1d(best, running)
    rest = np.setdiff1d(np.flatnonzero(with_reports), first)
    # Multiples of the golden ratio spread evenly.
    by_hash = rest[np.argsort((data.numbers[rest] * 2_654_435_761) % 2**32)]
    rows: NDArray[np.int64] = np.union1d(first, by_hash[: MAX_TRIALS - len(first)])
    return rows


def _answer(
    found: SweepColumns,
    numbers: Sequence[int],
    points: Sequence[Points],
    *,
    is_choice: bool,
) -> dict[str, Any]:
    answer: dict[str, Any] = {"ready": True, "numbers": numbers, "points": points}
    if is_choice:
        answer["sentence"] = sentence(found.data, len(numbers))
        answer["quantiles"] = quantiles(points)
    return answer


def sentence(data: TrialData, drawn: int) -> str:
    reported = int((data.reports > 0).sum())
    if drawn >= reported:
        return f"Curves of all {reported:,} trials with reports."
    return (
        f"Curves of {drawn:,} of {reported:,} trials with reports: the best {BEST},"
        " those that run, and a fair sample. The percentiles are of these."
    )


def quantiles(points: Sequence[Points]) -> Mapping[str, Any] | None:
    """Percentiles at each report, and how many curves reach it; None without enough."""
    values: dict[int, list[float]] = {}
    for curve in points:
        for report, value, *_ in curve:
            if report is not None and value is not None:
                values.setdefault(int(report), []).append(value)
    reports = sorted(at for at, found in values.items() if len(found) >= MIN_VALUES)
    if not reports:
        return None
    levels = [np.quantile(values[at], LEVELS).tolist() for at in reports]
    return {
        "reports": reports,
        "trials": [len(values[at]) for at in reports],
        "levels": LEVELS,
        "values": levels,
    }


urlpatterns = [get("sweeps/<int:pk>/curves.json", curves, "sweep_curves")]
