"""What clients log about a run: metrics, parameters, tags, data sets and models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from experiments.mlflow.batches import LogBatch, ModelMetric
from experiments.mlflow.callers import AnyCaller, changeable_run, run_id_of
from experiments.mlflow.entities import NOTE, RUN_NAME
from experiments.mlflow.errors import (
    does_not_exist,
    invalid,
    invalid_value,
    missing_value,
)
from experiments.mlflow.fields import RequestFields, read_object, too_long
from experiments.mlflow.logged_models import models_of
from experiments.models import Run, Trial
from experiments.tracking import ingest, run_log
from experiments.tracking.ingest import ReportBatch
from experiments.tracking.run_log import MAX_KEY_LENGTH, MAX_TAG_LENGTH

MAX_INPUTS, MAX_MODEL_METRICS = 1_000, 1_000
# Of a run's inputs together, in bytes of JSON: every search of runs reads them.
MAX_INPUTS_SIZE = 5 << 20
# As MLflow has them: of a data set's texts, and of the value of its tags.
MAX_DATASET = {
    "name": 500,
    "digest": 36,
    "source_type": 36,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}
MAX_INPUT_TAG = 500
MODEL_HISTORY = "mlflow.log-model.history"


def store(caller: AnyCaller, batch: LogBatch) -> dict[str, Any]:
    """Parameters first: if one is refused, nothing is stored."""
    trial = changeable_run(caller, batch.run_id)
    if batch.params:
        # A sweep's trial may run again, and then log other values.
        run_log.log_params(trial, batch.params, replace=trial.sweep_id is not None)
    if batch.tags:
        _set_tags(trial, dict(batch.tags))
    if batch.points:
        ingest.write(points_of(trial, batch))
    if batch.of_models:
        _note_metrics(caller, trial, batch.of_models)
    return {}


def _note_metrics(caller: AnyCaller, trial: Trial, sent: Sequence[ModelMetric]) -> None:
    """A model's last values. A model that the run's experiment does not have, perhaps
    because it was deleted, loses no metric of the run."""
    run_id = run_id_of(trial.pk)
    with transaction.atomic():
        models = (
            models_of(caller)
            .select_for_update(of=("self",))
            .filter(
                experiment=trial.experiment_id, pk__in={each.model_id for each in sent}
            )
        )
        for model in models.order_by("pk"):
            known = {_metric_key(each): each for each in model.metrics}
            for new in (each for each in sent if each.model_id == model.pk):
                entry = {**new.entry, "model_id": model.pk, "run_id": run_id}
                before = known.get(_metric_key(entry), entry)
                if _metric_age(entry) >= _metric_age(before):
                    known[_metric_key(entry)] = entry
            model.metrics = [*known.values()][:MAX_MODEL_METRICS]
            model.save(update_fields=["metrics"])


def _metric_key(entry: dict[str, Any]) -> tuple[str, ...]:
    names = ("key", "dataset_name", "dataset_digest", "run_id")
    return tuple(entry.get(name, "") for name in names)


def _metric_age(entry: dict[str, Any]) -> tuple[int, int]:
    return entry["step"], entry["timestamp"]


def points_of(trial: Trial, batch: LogBatch) -> ReportBatch:
    """The points for the run's attempt. For a trial that a worker launched, its runner
    sends the heartbeats."""
    asked = trial.sweep is None or not trial.sweep.launches
    return ReportBatch(trial.current_attempt_id or 0, batch.points, is_heartbeat=asked)


def _set_tags(trial: Trial, tags: dict[str, str]) -> None:
    """Name and note are columns, so that pages show them."""
    columns = {NOTE: "note", RUN_NAME: "name"}
    fields = {columns[tag]: tags.pop(tag) for tag in list(tags) if tag in columns}
    if fields:
        run_log.change_run(trial, **fields)
    if tags:
        run_log.set_tags(trial, tags)


def delete_tag(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    trial = changeable_run(caller, fields.run_id())
    key = fields.text("key", required=True)
    if key == NOTE:
        run_log.change_run(trial, note="")
    elif not run_log.delete_tag(trial, key):
        raise does_not_exist(
            f"No tag with name: {key} in run with id {fields.run_id()}"
        )
    return {}


def log_inputs(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """Data sets, and models that the run reads. The same data set again, by name and
    digest, gets the new tags."""
    run_id = fields.run_id()
    sent, models = fields.entries("datasets"), fields.entries("models")
    if not sent and not models:
        raise missing_value("datasets")
    trial = changeable_run(caller, run_id)
    known = [_input(each) for each in sent] + _models(models)
    with transaction.atomic():
        run = _locked_run(trial)
        found = {_key(each): each for each in run.inputs}
        found |= {_key(each): each for each in known}
        run.inputs = _limited("inputs", [*found.values()])
        run.save(update_fields=["inputs"])
    return {}


def _limited(name: str, entries: list[Any]) -> list[Any]:
    """All inputs or outputs of a run, if they are not too many."""
    if len(entries) > MAX_INPUTS:
        words = f"A run has at most {MAX_INPUTS:,} {name}; it would have"
        raise invalid(f"{words} {len(entries):,}.")
    if (size := len(json.dumps(entries))) > MAX_INPUTS_SIZE:
        words = f"The {name} of a run have at most {MAX_INPUTS_SIZE:,} bytes in all"
        raise invalid(f"{words}; they would have {size:,}.")
    return entries


def _input(sent: Any) -> dict[str, Any]:
    dataset = sent.get("dataset") if isinstance(sent, dict) else None
    if not isinstance(dataset, dict):
        raise missing_value("datasets[].dataset")
    fields = RequestFields(dataset)
    names = ("name", "digest", "source_type", "source")
    kept = {name: fields.text(name, required=True) for name in names}
    kept |= {k: fields.text(k) for k in ("schema", "profile") if fields.given(k)}
    for name, text in kept.items():
        _check_length(name, text, MAX_DATASET[name])
    tags = RequestFields(sent).pairs("tags")
    for key, value in tags.items():
        _check_length(f"tags.{key}", value, MAX_INPUT_TAG)
    return {
        "dataset": kept,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


def _check_length(path: str, text: str, most: int) -> None:
    if len(text) > most:
        raise too_long(path, most)


def _models(sent: list[Any]) -> list[dict[str, Any]]:
    if not all(isinstance(each, dict) for each in sent):
        raise invalid_value("models", sent)
    ids = [RequestFields(each).text("model_id", required=True) for each in sent]
    for each in ids:
        _check_length("model_id", each, MAX_KEY_LENGTH)
    return [{"model_id": each} for each in ids]


def _key(entry: dict[str, Any]) -> tuple[str, str]:
    if "model_id" in entry:
        return "", entry["model_id"]
    return entry["dataset"]["name"], entry["dataset"]["digest"]


def log_outputs(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """Models that the run made, each with a step."""
    trial = changeable_run(caller, fields.run_id())
    sent = fields.entries("models")
    made = [
        {**model, "step": RequestFields(each).whole("step", 0)}
        for model, each in zip(_models(sent), sent, strict=True)
    ]
    with transaction.atomic():
        run = _locked_run(trial)
        new = [each for each in made if each not in run.outputs]
        run.outputs = _limited("outputs", run.outputs + new)
        run.save(update_fields=["outputs"])
    return {}


def log_model(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """How clients before version 3 note a model: in a tag of the run."""
    trial = changeable_run(caller, fields.run_id())
    model = read_object(fields.text("model_json", required=True).encode())
    missing = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model)
    if missing:
        raise invalid(f"Model json is missing mandatory fields: {sorted(missing)}")
    kept = {key: value for key, value in model.items() if key != "signature"}
    # It has to fit into the tag.
    _check_length("model_json", json.dumps([kept]), MAX_TAG_LENGTH)
    with transaction.atomic():
        run = _locked_run(trial)
        known = _known_models(run)
        known += [] if kept in known else [kept]
        # The oldest ones make room.
        while len(json.dumps(known)) > MAX_TAG_LENGTH:
            known.pop(0)
        run.tags[MODEL_HISTORY] = json.dumps(known)
        run.save(update_fields=["tags"])
    return {}


def _known_models(run: Run) -> list[Any]:
    """Anything may be in the tag, as clients can set it, too."""
    try:
        known = json.loads(run.tags.get(MODEL_HISTORY, ""))
    except (ValueError, RecursionError):
        return []
    return known if isinstance(known, list) else []


def _locked_run(trial: Trial) -> Run:
    Run.objects.get_or_create(trial=trial)
    return Run.objects.select_for_update(of=("self",)).get(trial=trial)
