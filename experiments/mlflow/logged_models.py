"""Logged models: what an autologging client describes before its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from experiments import access, lifecycle
from experiments.mlflow.batches import params_of, tags_of
from experiments.mlflow.callers import (
    AnyCaller,
    TrainingCaller,
    changeable_run,
    check_may_change,
    check_own_run,
    key_of,
    run_id_of,
    runs_of,
    user_only,
)
from experiments.mlflow.entities import CLIENT, pairs_json
from experiments.mlflow.errors import (
    denied,
    does_not_exist,
    invalid,
    invalid_value,
)
from experiments.mlflow.experiments import (
    DEFAULT_ID,
    changeable_experiment,
    experiment_of,
)
from experiments.mlflow.fields import RequestFields, check_name, milliseconds_of
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
from experiments.models import LoggedModel
from experiments.models.trials import TrialState
from experiments.tracking.run_log import MAX_ENTRIES

Status = LoggedModel.Status
MAX_NAME, MAX_MODELS = 500, 1_000
# By number, as some clients send it.
NUMBERED = {1: Status.PENDING, 2: Status.READY, 3: Status.UPLOAD_FAILED}
ATTRIBUTES = Attributes(
    texts=("name", "model_id", "model_type", "status", "source_run_id"),
    numbers=("creation_time", "creation_timestamp", "last_updated_timestamp"),
)


def create(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """A model without a run, from a notebook, gets one that holds its files."""
    name = fields.text("name")[:MAX_NAME]
    texts = {
        "name": name,
        "kind": fields.text("model_type")[:MAX_NAME],
        "params": params_of(fields),
        "tags": tags_of(fields),
    }
    source = fields.text("source_run_id")
    is_ours = 0 < key_of(source) < 2**63
    if source and (is_ours or isinstance(caller, TrainingCaller)):
        trial = changeable_run(caller, source)
        if found := _sent_again(caller, trial.pk, texts):
            return {"model": model_json(found)}
        experiment, attempt = trial.experiment, trial.current_attempt
    elif isinstance(caller, TrainingCaller):
        check_own_run(caller)
        trial, experiment = caller.trial, caller.trial.experiment
        attempt = caller.attempt
    else:
        trial = None
        experiment = changeable_experiment(
            caller, fields.text("experiment_id") or DEFAULT_ID
        )
        claim = lifecycle.start_run(
            experiment, name=name or "model", created_by=caller.user, client=CLIENT
        )
        lifecycle.finish_run(claim.attempt.trial, TrialState.COMPLETED)
        attempt = claim.attempt
        texts["foreign_run"] = source[:32]
    if attempt is None:
        raise denied("The run has no attempt that could hold the model.")
    made = LoggedModel.objects.create(
        experiment=experiment, source_run=trial, attempt=attempt, **texts
    )
    made.refresh_from_db()
    return {"model": model_json(made)}


def _sent_again(
    caller: AnyCaller, run: int, texts: dict[str, Any]
) -> LoggedModel | None:
    """A program makes one model after another: a pending one without files, of the
    same description, is the same request again."""
    if not isinstance(caller, TrainingCaller):
        return None
    last = LoggedModel.objects.filter(source_run=run).order_by("-created_at").first()
    if last is None or last.status != Status.PENDING:
        return None
    same = all(getattr(last, name) == value for name, value in texts.items())
    files = last.attempt.artifacts.filter(path__startswith=folder_of(last))
    return last if same and not files.exists() else None


def folder_of(model: LoggedModel) -> str:
    return f"models/{model.pk}/"


def models_of(caller: AnyCaller) -> QuerySet[LoggedModel]:
    """Also those without a source are of a run, which has their files."""
    rows = LoggedModel.objects.select_related("experiment__team", "attempt__trial__run")
    if isinstance(caller, TrainingCaller):
        return rows.filter(source_run__in=runs_of(caller).values("pk"))
    seen = access.trials_for(caller.user)
    return rows.filter(attempt__trial__in=seen.order_by().values("pk"))


def model_of(caller: AnyCaller, model_id: str) -> LoggedModel:
    found = models_of(caller).filter(pk=model_id).first()
    if found is None:
        raise does_not_exist(f"Logged model with ID '{model_id}' not found.")
    return found


def changeable_model(caller: AnyCaller, model_id: str) -> LoggedModel:
    model = model_of(caller, model_id)
    if isinstance(caller, TrainingCaller):
        changeable_run(caller, run_id_of(model.attempt.trial_id))
    else:
        check_may_change(caller, model.experiment.team)
    return model


def get(caller: AnyCaller, fields: RequestFields, model_id: str) -> dict[str, Any]:
    return {"model": model_json(model_of(caller, model_id))}


def finalize(caller: AnyCaller, fields: RequestFields, model_id: str) -> dict[str, Any]:
    model = changeable_model(caller, model_id)
    sent = fields.data.get("status")
    status = NUMBERED.get(sent) if isinstance(sent, int) else sent
    if status not in Status.values:
        raise invalid_value("status", sent)
    LoggedModel.objects.filter(pk=model.pk).update(status=status, updated_at=Now())
    return get(caller, fields, model_id)


def delete(caller: AnyCaller, fields: RequestFields, model_id: str) -> dict[str, Any]:
    """Its files stay with the run."""
    user_only(caller, "delete a model")
    changeable_model(caller, model_id).delete()
    return {}


def set_tags(caller: AnyCaller, fields: RequestFields, model_id: str) -> dict[str, Any]:
    model = changeable_model(caller, model_id)
    return {"model": model_json(_updated(model, "tags", tags_of(fields)))}


def delete_tag(
    caller: AnyCaller, fields: RequestFields, model_id: str, key: str
) -> dict[str, Any]:
    model = changeable_model(caller, model_id)
    if check_name("key", key) not in model.tags:
        raise does_not_exist(f"No tag with key {key!r} on model '{model_id}'.")
    _updated(model, "tags", {key: None})
    return {}


def log_params(
    caller: AnyCaller, fields: RequestFields, model_id: str
) -> dict[str, Any]:
    _updated(changeable_model(caller, model_id), "params", params_of(fields))
    return {}


def _updated(model: LoggedModel, column: str, pairs: dict[str, Any]) -> LoggedModel:
    """None removes an entry."""
    with transaction.atomic():
        row = LoggedModel.objects.select_for_update(of=("self",)).get(pk=model.pk)
        known = {**getattr(row, column), **pairs}
        setattr(row, column, {k: v for k, v in known.items() if v is not None})
        if len(getattr(row, column)) > MAX_ENTRIES:
            raise invalid(f"A model has at most {MAX_ENTRIES:,} {column}.")
        row.updated_at = timezone.now()
        row.save(update_fields=[column, "updated_at"])
    return row


def search(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    most = fields.max_results(100, MAX_MODELS)
    start = page_start(fields.text("page_token"))
    clauses = parse_filter(fields.text("filter"), ATTRIBUTES)
    sent = [each for each in fields.entries("order_by") if isinstance(each, dict)]
    texts = [_order_text(RequestFields(each)) for each in sent]
    orders = parse_orders(texts, ATTRIBUTES)
    named = [experiment_of(caller, e).pk for e in fields.texts("experiment_ids")[:100]]
    rows = list(models_of(caller).filter(experiment__in=named))
    if datasets := fields.entries("datasets"):
        rows = [row for row in rows if _is_of(row, datasets)]
    found = matching(rows, clauses, orders, _value)[start : start + most + 1]
    return page_answer("models", found, _documents, start=start, most=most)


def _documents(rows: Sequence[LoggedModel]) -> list[dict[str, Any]]:
    return [model_json(row) for row in rows]


def _is_of(model: LoggedModel, datasets: list[Any]) -> bool:
    """Whether it has a metric on one of the data sets; a digest may be left out."""
    names = ("dataset_name", "dataset_digest")
    return any(
        all(sent.get(name) in (None, "", metric.get(name)) for name in names)
        for metric in model.metrics
        for sent in datasets
        if isinstance(sent, dict) and sent.get("dataset_name")
    )


def _order_text(order: RequestFields) -> str:
    way = "DESC" if order.data.get("ascending") is False else "ASC"
    return f"{order.text('field_name', required=True)} {way}"


def _value(model: LoggedModel, wanted: FilterClause | OrderKey) -> Any:
    if wanted.kind == "tag":
        return model.tags.get(wanted.key)
    if wanted.kind == "param":
        return model.params.get(wanted.key)
    if wanted.kind == "metric":
        found = (each for each in model.metrics if each["key"] == wanted.key)
        values = [float(each["value"]) for each in found]
        if isinstance(wanted, FilterClause):
            return values
        return values[-1] if values else None
    if wanted.kind != "attribute":
        return None
    info = model_json(model)["info"]
    info["creation_time"] = info["creation_timestamp"] = info["creation_timestamp_ms"]
    info["last_updated_timestamp"] = info["last_updated_timestamp_ms"]
    return info.get(wanted.key)


def model_json(model: LoggedModel) -> dict[str, Any]:
    info = {
        "model_id": model.pk,
        "experiment_id": str(model.experiment_id),
        "name": _name_of(model),
        "creation_timestamp_ms": milliseconds_of(model.created_at),
        "last_updated_timestamp_ms": milliseconds_of(model.updated_at),
        "artifact_uri": (
            f"mlflow-artifacts:/{model.experiment_id}/models/{model.pk}/artifacts"
        ),
        "status": model.status,
    }
    if model.kind:
        info["model_type"] = model.kind
    if model.source_run_id is not None:
        info["source_run_id"] = run_id_of(model.source_run_id)
    elif model.foreign_run:
        info["source_run_id"] = model.foreign_run
    if model.tags:
        info["tags"] = pairs_json(model.tags)
    return {"info": info, "data": _model_data(model)}


def _model_data(model: LoggedModel) -> dict[str, Any]:
    data = {"params": pairs_json(model.params), "metrics": model.metrics}
    return {name: entries for name, entries in data.items() if entries}


def _name_of(model: LoggedModel) -> str:
    """Models that were logged without a name can be told apart."""
    return model.name or f"model-{model.pk[2:10]}"
