"""Experiments and runs as MLflow's clients see them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from experiments.mlflow.callers import run_id_of
from experiments.mlflow.fields import milliseconds_of
from experiments.models import Experiment, Metric, Trial
from experiments.models.trials import TrialState
from experiments.search.document.command import value_text

RUN_NAME, PARENT, NOTE = "mlflow.runName", "mlflow.parentRunId", "mlflow.note.content"
USER = "mlflow.user"
SWEEP = "sweepsite.sweep"
# The program that has started a run, by this protocol.
CLIENT = "mlflow"

STATUSES = {
    TrialState.QUEUED: "SCHEDULED",
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETED: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.TERMINATED: "KILLED",
    TrialState.CANCELLED: "KILLED",
}
ENDS = {
    "FINISHED": TrialState.COMPLETED,
    "FAILED": TrialState.FAILED,
    "KILLED": TrialState.CANCELLED,
}


class RunRow(NamedTuple):
    """The columns of a run, read without objects: searches read a thousand."""

    pk: int
    experiment: int
    number: int
    state: TrialState
    started_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    values: dict[str, Any]
    slug: str
    sweep: int | None
    sweep_creator: str | None
    attempt: int | None
    client: str | None
    name: str | None
    parent: int | None
    creator: str | None
    note: str | None
    logged: dict[str, str] | None
    own_tags: dict[str, str] | None
    inputs: list[Any] | None
    outputs: list[Any] | None
    deleted_at: datetime | None

    @property
    def run_id(self) -> str:
        return run_id_of(self.pk)

    @property
    def run_name(self) -> str:
        return self.name or f"{self.sweep_label}/{self.number}"

    @property
    def sweep_label(self) -> str:
        return f"{self.slug}-{self.sweep}"

    @property
    def status(self) -> str:
        return STATUSES[TrialState(self.state)]

    @property
    def start_time(self) -> int:
        return milliseconds_of(self.started_at or self.created_at)

    @property
    def end_time(self) -> int | None:
        return None if self.ended_at is None else milliseconds_of(self.ended_at)

    @property
    def user_id(self) -> str:
        named = (self.own_tags or {}).get(USER)
        creator = "" if self.client == CLIENT else self.creator or self.sweep_creator
        return named or creator or "unknown"

    @property
    def artifact_uri(self) -> str:
        return f"mlflow-artifacts:/{self.experiment}/{self.run_id}/artifacts"

    @property
    def params(self) -> dict[str, str]:
        """What was logged, and the values of a sweep's trial."""
        if not self.values:
            return self.logged or {}
        given = {name: value_text(value) for name, value in self.values.items()}
        return {**given, **(self.logged or {})}

    @property
    def tags(self) -> dict[str, str]:
        found = {**(self.own_tags or {}), RUN_NAME: self.run_name}
        if self.parent is not None:
            found[PARENT] = run_id_of(self.parent)
        if self.sweep is not None:
            found[SWEEP] = self.sweep_label
        if self.note:
            found[NOTE] = self.note
        return found

    @property
    def info(self) -> dict[str, Any]:
        run_id = self.run_id
        info = {
            "run_uuid": run_id,
            "run_id": run_id,
            "experiment_id": str(self.experiment),
            "run_name": self.run_name,
            "user_id": self.user_id,
            "status": self.status,
            "start_time": self.start_time,
            "artifact_uri": self.artifact_uri,
            "lifecycle_stage": "active" if self.deleted_at is None else "deleted",
        }
        if self.ended_at is not None:
            info["end_time"] = self.end_time
        return info


COLUMNS = (
    *("pk", "experiment_id", "number", "state", "started_at", "ended_at", "created_at"),
    *("params", "experiment__slug", "sweep__number", "sweep__created_by__username"),
    *("current_attempt_id", "current_attempt__client", "run__name", "run__parent_id"),
    *("run__created_by__username", "run__note", "run__params", "run__tags"),
    *("run__inputs", "run__outputs", "run__deleted_at"),
)


class LastMetric(NamedTuple):
    """The last value of a metric."""

    name: str
    value: float | None
    step: int
    time: int | None


def run_rows(trials: QuerySet[Trial]) -> list[RunRow]:
    return [RunRow(*row) for row in trials.order_by().values_list(*COLUMNS)]


def last_metrics(
    attempts: Any, names: Sequence[str] | None = None
) -> Mapping[int, list[LastMetric]]:
    """The last values of the attempts' metrics, or of those with these names. The
    attempts are ids, or a query for ids."""
    rows = Metric.objects.filter(attempt__in=attempts)
    if names is not None:
        rows = rows.filter(name__in=names)
    found: dict[int, list[LastMetric]] = defaultdict(list)
    for attempt, name, value, step, time in rows.order_by(
        "attempt", "name"
    ).values_list("attempt_id", "name", "last_value", "last_step", "last_time"):
        found[attempt].append(LastMetric(name, value, step or 0, time))
    return found


def run_json(row: RunRow, metrics: Iterable[LastMetric]) -> dict[str, Any]:
    data = {
        "metrics": [
            {
                "key": each.name,
                "value": number_json(each.value),
                "timestamp": (each.time or 0) // 1000,
                "step": each.step,
            }
            for each in metrics
        ],
        "params": pairs_json(row.params),
        "tags": pairs_json(row.tags),
    }
    run: dict[str, Any] = {"info": row.info}
    run["data"] = {name: entries for name, entries in data.items() if entries}
    run["inputs"] = _inputs_json(row.inputs or [])
    run["outputs"] = {"model_outputs": row.outputs} if row.outputs else {}
    return run


def _inputs_json(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    models = [each for each in inputs if "model_id" in each]
    datasets = [each for each in inputs if "dataset" in each]
    found = {"dataset_inputs": datasets, "model_inputs": models}
    return {name: entries for name, entries in found.items() if entries}


def one_run(trial: Trial) -> dict[str, Any]:
    """The whole run, as runs/get answers."""
    (row,) = run_rows(Trial.objects.filter(pk=trial.pk))
    metrics = last_metrics([row.attempt])
    return run_json(row, metrics.get(row.attempt or 0, ()))


def run_info(trial: Trial) -> dict[str, Any]:
    (row,) = run_rows(Trial.objects.filter(pk=trial.pk))
    return row.info


def pairs_json(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def number_json(value: float | None) -> float | str:
    """JSON lacks NaN, which the database has as NULL, and the infinities."""
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    created = milliseconds_of(experiment.created_at)
    archived = experiment.archived_at
    return {
        "experiment_id": str(experiment.pk),
        "name": experiment.name,
        "artifact_location": f"mlflow-artifacts:/{experiment.pk}",
        "lifecycle_stage": "deleted" if archived else "active",
        "creation_time": created,
        "last_update_time": milliseconds_of(archived) if archived else created,
        "tags": pairs_json(experiment_tags(experiment)),
    }


def experiment_tags(experiment: Experiment) -> dict[str, str]:
    tags = dict(experiment.mlflow_tags)
    if experiment.notes:
        tags[NOTE] = experiment.notes
    return tags
