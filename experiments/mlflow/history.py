"""The points of metrics, page by page or thinned out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import msgspec
from django.db.models import QuerySet

from experiments.mlflow.callers import (
    AnyCaller,
    key_of,
    readable_run,
    run_id_of,
    runs_of,
)
from experiments.mlflow.entities import number_json, numbers_json
from experiments.mlflow.errors import invalid, missing_value
from experiments.mlflow.fields import MAX_INT, RequestFields
from experiments.mlflow.filters import page_start, page_token
from experiments.models import Metric
from experiments.tracking import codec, series

MAX_POINTS, MAX_RUNS, MAX_INTERVAL = 25_000, 100, 2_500
MAX_AT_ONCE = 1_000_000


class HistoryPoint(msgspec.Struct, gc=False):
    key: str
    value: float | str
    timestamp: int
    step: int


class RunPoint(HistoryPoint, gc=False):
    run_id: str


History = list[tuple[int, int, float]]


def histories_of(metrics: QuerySet[Metric]) -> dict[int, codec.Records]:
    """The points by step and time, by metric."""
    rows = metrics.values_list(*series.Stored._fields)
    found = series.read_rows([series.Stored(*row) for row in rows])
    return {pk: codec.in_order(points) for pk, points in found.items()}


def _history(points: codec.Records) -> History:
    """(Step, milliseconds, value) of each. A million take 150 MB."""
    times = points["time"] // 1_000
    columns = (points["step"].tolist(), times.tolist(), points["value"].tolist())
    return list(zip(*columns, strict=True))


def get_history(caller: AnyCaller, fields: RequestFields) -> bytes:
    key = fields.text("metric_key", required=True)
    trial = readable_run(caller, fields.run_id())
    most = fields.max_results(MAX_POINTS, MAX_POINTS)
    start = page_start(fields.text("page_token"))
    named = Metric.objects.filter(attempt=trial.current_attempt_id, name=key)
    page: list[HistoryPoint] = []
    count = 0
    for points in histories_of(named).values():
        count = len(points)
        shown = points[start : start + most]
        columns = (shown["time"] // 1_000).tolist(), shown["step"].tolist()
        page = [*map(HistoryPoint, repeat(key), numbers_json(shown["value"]), *columns)]
    answer: dict[str, Any] = {"metrics": page} if page else {}
    if count > start + most:
        answer["next_page_token"] = page_token(start + most)
    return msgspec.json.encode(answer)


def get_bulk(caller: AnyCaller, fields: RequestFields) -> bytes:
    """Of several runs, as MLflow's pages ask for it."""
    what = "GetMetricHistoryBulk request"
    runs = _listed(fields, "run_id")
    if not runs:
        raise invalid(f"{what} must specify at least one run_id.")
    if len(runs) > MAX_RUNS:
        raise invalid(
            f"{what} cannot specify more than {MAX_RUNS} run_ids. Received {len(runs)}"
            " run_ids."
        )
    key = fields.text("metric_key")
    if not key:
        raise invalid(f"{what} must specify a metric_key.")
    most = min(fields.whole("max_results", MAX_POINTS), MAX_POINTS)
    found: list[RunPoint] = []
    for run_id, points in _histories(caller, runs, key):
        by_time = sorted(points, key=lambda p: (p[1], p[0]))[:most]
        found += _run_points(run_id, key, by_time)
        if len(found) >= MAX_POINTS:
            break
    return msgspec.json.encode({"metrics": found[:MAX_POINTS]})


def get_bulk_interval(caller: AnyCaller, fields: RequestFields) -> bytes:
    """Of several runs, at steps that are evenly spaced."""
    runs, key = _listed(fields, "run_ids"), fields.text("metric_key")
    if not runs:
        raise missing_value("run_ids")
    if len(runs) > MAX_RUNS:
        words = "GetMetricHistoryBulkInterval request must specify at most 100 run_ids."
        raise invalid(f"{words} Received {len(runs)} run_ids.")
    if not key:
        raise missing_value("metric_key")
    most = fields.whole("max_results", MAX_INTERVAL)
    if not 0 < most <= MAX_INTERVAL:
        raise invalid(f"max_results must be between 1 and {MAX_INTERVAL}.")
    low, high = _interval(fields)
    found: list[RunPoint] = []
    for run_id, points in _histories(caller, runs, key):
        inside = [point for point in points if low <= point[0] <= high]
        found += _run_points(run_id, key, _sampled(inside, most))
    return msgspec.json.encode({"metrics": found})


def _listed(fields: RequestFields, name: str) -> list[str]:
    value = fields.data.get(name) or []
    return [value] if isinstance(value, str) else list(value)


def _interval(fields: RequestFields) -> tuple[int, int]:
    given = [fields.given(name) for name in ("start_step", "end_step")]
    if any(given) and not all(given):
        raise invalid(
            "If either start step or end step are specified, both must be specified."
        )
    low, high = fields.whole("start_step", -MAX_INT), fields.whole("end_step", MAX_INT)
    if low > high:
        raise invalid(
            "end_step must be greater than start_step. Found"
            f" start_step={low} and end_step={high}."
        )
    return low, high


def _sampled(points: History, most: int) -> History:
    """The first point of each of as many parts of equal size, and the last of all."""
    if len(points) <= most:
        return points
    size, rest = divmod(len(points), most)
    firsts = [points[part * size + min(part, rest)] for part in range(most)]
    return [*firsts[:-1], points[-1]]


def _histories(
    caller: AnyCaller, runs: Sequence[str], key: str
) -> Iterator[tuple[str, History]]:
    """The series of the runs that the caller may read, by run id."""
    pks = [pk for pk in map(key_of, runs) if 0 < pk < 2**63]
    attempts = dict(
        runs_of(caller)
        .filter(pk__in=pks)
        .order_by("pk")
        .values_list("current_attempt", "pk")
    )
    metrics = Metric.objects.filter(attempt__in=list(attempts), name=key)
    in_order = sorted(metrics, key=lambda metric: attempts[metric.attempt_id])
    for batch in _batches(in_order):
        found = histories_of(Metric.objects.filter(pk__in=[each.pk for each in batch]))
        for metric in batch:
            yield run_id_of(attempts[metric.attempt_id]), _history(found[metric.pk])


def _batches(metrics: Sequence[Metric]) -> Iterator[list[Metric]]:
    """As many as may be in memory together."""
    batch: list[Metric] = []
    size = 0
    for metric in metrics:
        size += metric.count
        if batch and size > MAX_AT_ONCE:
            yield batch
            batch, size = [], metric.count
        batch.append(metric)
    if batch:
        yield batch


def _run_points(run_id: str, key: str, points: History) -> list[RunPoint]:
    return [RunPoint(key, number_json(v), t, s, run_id) for s, t, v in points]
