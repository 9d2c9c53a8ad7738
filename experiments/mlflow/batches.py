"""What log-metric, log-parameter, set-tag and log-batch carry.

Reading a request takes no database, so that it can be done wherever requests arrive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from experiments.mlflow.entities import number_json
from experiments.mlflow.errors import invalid, invalid_value, missing_value
from experiments.mlflow.fields import (
    MAX_INT,
    MAX_MILLISECONDS,
    UNREADABLE,
    RequestFields,
    check_name,
    is_plain,
    read_object,
    whole_number,
)
from experiments.tracking.ingest import Sent
from experiments.tracking.run_log import MAX_PARAM_LENGTH, MAX_TAG_LENGTH

MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_ENTITIES = 1_000, 100, 100, 1_000
# As clients name the model of a metric.
MODEL_ID = b'"model_id"'
DATASET, MAX_DATASET = ("dataset_name", "dataset_digest"), 500
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class ModelMetric:
    """A metric that is also a model's, perhaps on a data set."""

    model_id: str
    entry: dict[str, Any]


@dataclass(frozen=True)
class LogBatch:
    """All that one request logs about a run."""

    run_id: str
    points: Sequence[Sent] = ()
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    of_models: Sequence[ModelMetric] = ()


Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_MILLISECONDS)]
Step = Annotated[int, msgspec.Meta(ge=-MAX_INT, le=MAX_INT)]


class MetricEntry(msgspec.Struct, gc=False):
    """A metric in the form in which clients send almost all of them."""

    key: str
    value: float
    timestamp: Time
    step: Step = 0


class MetricBody(MetricEntry, kw_only=True):
    """A log-metric."""

    run_id: str


class BatchBody(msgspec.Struct):
    """A log-batch with metrics alone."""

    run_id: str
    metrics: list[MetricEntry] = []
    params: list[Any] = []
    tags: list[Any] = []


BATCH, METRIC = msgspec.json.Decoder(BatchBody), msgspec.json.Decoder(MetricBody)


def read_log_batch(body: bytes) -> LogBatch:
    """Raises MlflowError for what MLflow refuses; nothing of the batch is stored."""
    try:
        known = BATCH.decode(body)
    except UNREADABLE:
        return _read_slowly(RequestFields(read_object(body)))
    if known.params or known.tags or not known.run_id or MODEL_ID in body:
        return _read_slowly(RequestFields(read_object(body)))
    _check_count("metrics", MAX_METRICS, len(known.metrics))
    for key in {each.key for each in known.metrics}:
        if not is_plain(key):
            return _read_slowly(RequestFields(read_object(body)))
    points = [
        Sent(each.key, each.step, each.value, each.timestamp * 1000)
        for each in known.metrics
    ]
    return LogBatch(known.run_id, points)


def _read_slowly(fields: RequestFields) -> LogBatch:
    """Any batch; the words are MLflow's."""
    run_id = fields.run_id()
    metrics = fields.entries("metrics")
    # First: nobody knows yet who sends this.
    _check_count("metrics", MAX_METRICS, len(metrics))
    _check_count("params", MAX_PARAMS, len(fields.entries("params")))
    _check_count("tags", MAX_TAGS, len(fields.entries("tags")))
    batch = LogBatch(
        run_id,
        [_point(f"metrics[{place}]", each) for place, each in enumerate(metrics)],
        _distinct_params(fields),
        tags_of(fields),
        _of_models(metrics),
    )
    total = len(batch.points) + len(batch.params) + len(batch.tags)
    _check_count("metrics, params, and tags", MAX_ENTITIES, total)
    return batch


def _distinct_params(fields: RequestFields) -> dict[str, str]:
    params = params_of(fields)
    sent = [each["key"] for each in fields.entries("params")]
    twice = sorted({key for key in sent if sent.count(key) > 1}) if sent else []
    if twice:
        raise invalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure the"
            " request contains only one param value per param key."
        )
    return params


def _check_count(words: str, most: int, count: int) -> None:
    if count > most:
        raise invalid(
            f"A batch logging request can contain at most {most} {words}."
            f" Got {count} {words}. Please split up {words} across multiple requests"
            " and try again."
        )


def read_log_metric(body: bytes) -> LogBatch:
    try:
        known = METRIC.decode(body)
    except UNREADABLE:
        known = None
    is_quick = known is not None and known.run_id and MODEL_ID not in body
    if known is not None and is_quick and is_plain(known.key):
        time = known.timestamp * 1000
        return LogBatch(known.run_id, [Sent(known.key, known.step, known.value, time)])
    fields = RequestFields(read_object(body))
    points = [_point("", fields.data)]
    return LogBatch(fields.run_id(), points, of_models=_of_models([fields.data]))


def _of_models(sent: Sequence[Any]) -> list[ModelMetric]:
    """Those of checked metrics that are of a model."""
    found = []
    for entry in map(RequestFields, sent):
        if model_id := entry.text("model_id"):
            point = _point("", entry.data)
            kept: dict[str, Any] = {
                "key": point.name,
                "value": number_json(point.value),
                "timestamp": (point.time or 0) // 1000,
                "step": point.step,
            }
            texts = {name: entry.text(name) for name in DATASET}
            kept |= {
                name: limited(name, text, MAX_DATASET)
                for name, text in texts.items()
                if text
            }
            found.append(ModelMetric(model_id, kept))
    return found


def read_log_param(body: bytes) -> LogBatch:
    fields = RequestFields(read_object(body))
    run_id, key = fields.run_id(), check_name("key", fields.text("key", required=True))
    value = limited("value", fields.text("value"), MAX_PARAM_LENGTH)
    return LogBatch(run_id, params={key: value})


def read_set_tag(body: bytes) -> LogBatch:
    fields = RequestFields(read_object(body))
    run_id, key = fields.run_id(), check_name("key", fields.text("key", required=True))
    value = limited("value", fields.text("value"), MAX_TAG_LENGTH)
    return LogBatch(run_id, tags={key: value})


def params_of(fields: RequestFields) -> dict[str, str]:
    params = fields.pairs("params")
    return {k: limited(f"params.{k}", v, MAX_PARAM_LENGTH) for k, v in params.items()}


def tags_of(fields: RequestFields) -> dict[str, str]:
    tags = fields.pairs("tags")
    return {k: limited(f"tags.{k}", v, MAX_TAG_LENGTH) for k, v in tags.items()}


def limited(path: str, value: str, most: int) -> str:
    """Long values are cut, as MLflow does."""
    return value if len(value) <= most else value[:most]


def metric_name(path: str, name: str) -> str:
    if not name:
        raise missing_value(f"{path}.key".lstrip("."))
    return check_name(f"{path}.name".lstrip("."), name)


def _point(path: str, sent: Any) -> Sent:
    if not isinstance(sent, dict):
        raise invalid_value("metrics", [sent], "It must have objects.")
    entry = RequestFields(sent)
    for name in ("key", "value", "timestamp"):
        if not entry.given(name):
            raise missing_value(f"{path}.{name}".lstrip("."))
    key = metric_name(path, entry.text("key"))
    timestamp = whole_number("timestamp", sent["timestamp"])
    if timestamp < 0:
        words = f"metric '{key}'. Timestamp must be a nonnegative long (64-bit integer)"
        raise invalid_value(f"{path}.timestamp".lstrip("."), timestamp, words)
    value = _value(f"{path}.value".lstrip("."), sent["value"])
    time = min(timestamp, MAX_MILLISECONDS) * 1000
    return Sent(key, entry.whole("step", 0), value, time)


def _value(path: str, value: Any) -> float:
    """Also a number as text, and the names of those that JSON lacks."""
    if isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _not_a_number(path, value)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
    except ValueError as error:
        raise _not_a_number(path, value) from error


def _not_a_number(path: str, value: Any) -> Exception:
    words = "Please specify value as a valid double (64-bit floating point)"
    return invalid_value(path, value, words)
