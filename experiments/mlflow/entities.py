"""Experiments and runs as MLflow's clients see them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

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

J = TypeVar("J", bound=dict[str, Any] | list[Any])

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
    values_text: str
    slug: str
    sweep: int | None
    sweep_creator: str | None
    attempt: int | None
    client: str | None
    name: str | None
    parent: int | None
    creator: str | None
    note: str | None
    logged_text: str | None
    own_tags_text: str | None
    inputs_text: str | None
    outputs_text: str | None
    deleted_at: datetime | None

    @property
    def values(self) -> dict[str, Any]:
        return _read(self.values_text, {})

    @property
    def logged(self) -> dict[str, str]:
        return _read(self.logged_text, {})

    @property
    def own_tags(self) -> dict[str, str]:
        return _read(self.own_tags_text, {})

    @property
    def inputs(self) -> list[Any]:
        return _read(self.inputs_text, [])

    @property
    def outputs(self) -> list[Any]:
        return _read(self.outputs_text, [])

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
        return STATUSES[self.state]

    @property
    def start_time(self) -> int:
        return milliseconds_of(self.started_at or self.created_at)

    @property
    def end_time(self) -> int | None:
        return None if self.ended_at is None else milliseconds_of(self.ended_at)

    @property
    def user_id(self) -> str:
        named = self.own_tags.get(USER)
        creator = "" if self.client == CLIENT else self.creator or self.sweep_creator
        return named or creator or "unknown"

    @property
    def artifact_uri(self) -> str:
        return f"mlflow-artifacts:/{self.experiment}/{self.run_id}/artifacts"

    @property
    def params(self) -> dict[str, str]:
        """What was logged, and the values of a sweep's trial."""
        given = {name: value_text(value) for name, value in self.values.items()}
        return {**given, **self.logged}

    @property
    def tags(self) -> dict[str, str]:
        found = {**self.own_tags, RUN_NAME: self.run_name}
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


def _read(text: str | None, default: J) -> J:
    """JSON, several times as quickly as its column's own decoder."""
    try:
        found: J = default if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        # Half of a surrogate pair, which SQLite keeps.
        found = json.loads(text or "")
    return found or default


def _as_text(column: str) -> Cast:
    return Cast(column, TextField())


COLUMNS: Sequence[str | Cast] = (
    *("pk", "experiment_id", "number", "state", "started_at", "ended_at", "created_at"),
    *(
        _as_text("params"),
        "experiment__slug",
        "sweep__number",
        "sweep__created_by__username",
    ),
    *("current_attempt_id", "current_attempt__client", "run__name", "run__parent_id"),
    *("run__created_by__username", "run__note"),
    *map(_as_text, ("run__params", "run__tags", "run__inputs", "run__outputs")),
    "run__deleted_at",
)


class LastMetric(msgspec.Struct, gc=False):
    """The last value of a metric, as JSON has it. A search makes thousands of them."""

    key: str
    value: float | str
    timestamp: int
    step: int


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
        last = LastMetric(name, number_json(value), (time or 0) // 1000, step or 0)
        found[attempt].append(last)
    return found


def run_json(row: RunRow, metrics: Sequence[LastMetric]) -> dict[str, Any]:
    data = {
        "metrics": metrics,
        "params": pairs_json(row.params),
        "tags": pairs_json(row.tags),
    }
    run: dict[str, Any] = {"info": row.info}
    run["data"] = {name: entries for name, entries in data.items() if entries}
    run["inputs"] = _inputs_json(row.inputs)
    outputs = row.outputs
    run["outputs"] = {"model_outputs": outputs} if outputs else {}
    return run


def _inputs_json(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not inputs:
        return {}
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
    if value is not None and math.isfinite(value):
        return value
    if value is None or math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def numbers_json(values: NDArray[np.float64]) -> list[float | str]:
    numbers: list[Any] = values.tolist()
    return numbers if np.isfinite(values).all() else [*map(number_json, numbers)]


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
