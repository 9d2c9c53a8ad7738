"""Searching runs: a constant number of queries, whatever is searched and found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from experiments.mlflow.callers import AnyCaller, experiments_of, runs_of
from experiments.mlflow.entities import (
    LastMetric,
    RunRow,
    last_metrics,
    run_json,
    run_rows,
)
from experiments.mlflow.errors import invalid, invalid_value
from experiments.mlflow.experiments import DEFAULT_ID, experiment_of
from experiments.mlflow.fields import RequestFields
from experiments.mlflow.filters import (
    Attributes,
    FilterClause,
    OrderKey,
    matching,
    page_answer,
    page_start,
    parse_filter,
    parse_orders,
)
from experiments.models import Trial

DEFAULT_RUNS, MAX_RUNS = 1_000, 50_000
MAX_EXPERIMENTS, MAX_DATASETS = 20, 1_000
# Databases limit the values of IN.
BATCH = 5_000
VIEWS = {"ACTIVE_ONLY": True, "DELETED_ONLY": False, "ALL": None}
ATTRIBUTES = Attributes(
    texts=("status", "run_name", "run_id", "artifact_uri", "user_id"),
    numbers=("start_time", "end_time"),
)
CONTEXT = "mlflow.data.context"

Metrics = Mapping[int, list[LastMetric]]


def search_runs(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    most = fields.max_results(DEFAULT_RUNS, MAX_RUNS)
    start = page_start(fields.text("page_token"))
    clauses = parse_filter(fields.text("filter"), ATTRIBUTES)
    orders = parse_orders(fields.texts("order_by"), ATTRIBUTES)
    runs = _within(runs_of(caller), caller, fields)
    wanted = slice(start, start + most + 1)
    if clauses or orders:
        found = _matching(runs, clauses, orders)[wanted]
    else:
        found = list(_newest_first(runs).values_list("pk", flat=True)[wanted])
    return page_answer("runs", found, _runs, start=start, most=most)


def _within(
    runs: QuerySet[Trial], caller: AnyCaller, fields: RequestFields
) -> QuerySet[Trial]:
    named = {_number(caller, text) for text in fields.texts("experiment_ids")}
    known = experiments_of(caller).filter(pk__in=named)
    runs = runs.filter(experiment__in=list(known.values_list("pk", flat=True)))
    view = fields.text("run_view_type") or "ACTIVE_ONLY"
    if view not in VIEWS:
        raise invalid_value("run_view_type", view)
    is_active = VIEWS[view]
    if is_active is None:
        return runs
    return runs.filter(run__deleted_at__isnull=is_active)


def _number(caller: AnyCaller, experiment_id: str) -> int:
    if experiment_id == DEFAULT_ID:
        return experiment_of(caller, experiment_id).pk
    is_id = experiment_id.isascii() and experiment_id.isdigit()
    return int(experiment_id) if is_id and len(experiment_id) < 19 else 0


def _newest_first(runs: QuerySet[Trial]) -> QuerySet[Trial]:
    return runs.order_by(Coalesce("started_at", "created_at").desc(), "pk")


def _matching(
    runs: QuerySet[Trial], clauses: Sequence[FilterClause], orders: Sequence[OrderKey]
) -> list[int]:
    """The ids of the runs for which all clauses hold, in order."""
    asked: list[FilterClause | OrderKey] = [*clauses, *orders]
    rows = sorted(run_rows(runs), key=lambda row: (-row.start_time, row.pk))
    names = [each.key for each in asked if each.kind == "metric"]
    metrics: Metrics = {}
    if names:
        attempts = runs.order_by().values("current_attempt")
        metrics = last_metrics(attempts, names)

    def value(row: RunRow, wanted: FilterClause | OrderKey) -> Any:
        return _value(row, wanted, metrics)

    return [row.pk for row in matching(rows, clauses, orders, value)]


def _value(row: RunRow, wanted: FilterClause | OrderKey, metrics: Metrics) -> Any:
    if wanted.kind == "metric":
        for each in metrics.get(row.attempt or 0, ()):
            if each.key == wanted.key:
                return float(each.value)
        return None
    if wanted.kind == "param":
        return row.params.get(wanted.key)
    if wanted.kind == "tag":
        return row.tags.get(wanted.key)
    if wanted.kind == "dataset":
        return list(_dataset_values(row, wanted.key))
    return getattr(row, wanted.key)


def _dataset_values(row: RunRow, key: str) -> Iterator[str]:
    for each in row.inputs:
        if "dataset" not in each:
            continue
        if key != "context":
            yield each["dataset"].get(key, "")
            continue
        yield from _contexts(each)


def search_datasets(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """The data sets of the runs of some experiments, each with its context."""
    what = "SearchDatasets request"
    named = fields.texts("experiment_ids")
    if not named:
        raise invalid(f"{what} must specify at least one experiment_id.")
    if len(named) > MAX_EXPERIMENTS:
        raise invalid(
            f"{what} cannot specify more than {MAX_EXPERIMENTS} experiment_ids."
            f" Received {len(named)} experiment_ids."
        )
    runs = _within(runs_of(caller), caller, fields).exclude(run__inputs=[])
    logged = runs.filter(run__isnull=False).order_by("pk")
    found = {
        (experiment, each["dataset"]["name"], each["dataset"]["digest"], context)
        for experiment, inputs in logged.values_list("experiment_id", "run__inputs")
        for each in inputs
        if "dataset" in each
        for context in _contexts(each) or [""]
    }
    summaries = [
        {"experiment_id": str(pk), "name": name, "digest": digest, "context": context}
        for pk, name, digest, context in sorted(found)[:MAX_DATASETS]
    ]
    return {"dataset_summaries": summaries} if summaries else {}


def _contexts(entry: Mapping[str, Any]) -> list[str]:
    return [t["value"] for t in entry.get("tags", ()) if t["key"] == CONTEXT]


def _runs(pks: Sequence[int]) -> list[dict[str, Any]]:
    """The runs of a page, in this order."""
    found: dict[int, dict[str, Any]] = {}
    for place in range(0, len(pks), BATCH):
        batch = pks[place : place + BATCH]
        rows = run_rows(Trial.objects.filter(pk__in=batch))
        metrics = last_metrics([row.attempt for row in rows if row.attempt])
        for row in rows:
            found[row.pk] = run_json(row, metrics.get(row.attempt or 0, ()))
    return [found[pk] for pk in pks if pk in found]
