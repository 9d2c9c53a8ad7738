"""A sweep's trials as a table for spreadsheets and data frames; its document."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO, TextIOBase
from typing import Any

from django.db.models import QuerySet

from experiments.models import Metric, Sweep, Trial
from experiments.search.document.command import value_text
from experiments.search.document.definition import parse_document
from experiments.search.document.yaml import yaml_text
from experiments.search.fields import DefinitionError
from experiments.search.formats import Note, export_sweep
from experiments.search.space.space import SearchSpace
from experiments.search.wording import visible
from experiments.sweeps.creation import sweep_document
from experiments.tracking.training_time import earlier_by_trial, measured_seconds

CHUNK = 500
# A spreadsheet runs a text that starts like this as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
RUN_COLUMNS = ("state", "message", "started_at", "ended_at")
OWN = (
    "number",
    "state",
    "reason",
    "value",
    "last_value",
    "reports",
    "started_at",
    "ended_at",
)


def document_text(sweep: Sweep, kind: str) -> tuple[str, Sequence[Note]]:
    """The document as yaml or json, or for another system, with notes on what that does
    not know. Raises DefinitionError for another format."""
    document = sweep_document(sweep)
    if kind == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n", ()
    if kind == "yaml":
        return yaml_text(document, width=88), ()
    return export_sweep(parse_document(document).dump(), kind)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """The rows for spreadsheets."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(cell, row) for row in rows)
    return text.getvalue()


def write_csv(sweep: Sweep, file: TextIOBase) -> None:
    """One row for each trial, with a column for each parameter and metric.

    Parameters inside a nested choice have their own columns, ``params.choice.inner``,
    which are empty in rows of other branches.
    """
    params, metrics = _param_names(sweep), _metric_names(sweep)
    writer = csv.writer(file, lineterminator="\n")
    headings = [
        *OWN,
        "elapsed",
        *(f"params.{name}" for name in params),
        *(f"metrics.{name}" for name in metrics),
    ]
    writer.writerow([cell(heading) for heading in headings])
    for trial, last, seconds in _trials(sweep):
        flat = flat_params(trial.params)
        values = [
            *(getattr(trial, name) for name in OWN),
            seconds,
            *(param_cell(flat, name) for name in params),
            *(last.get(name) for name in metrics),
        ]
        writer.writerow([cell(value) for value in values])


def write_runs_csv(runs: QuerySet[Trial], file: TextIOBase) -> None:
    """One row for each run, with a column for each parameter, metric and tag.

    ``runs`` need ``run`` and ``current_attempt`` joined.
    """
    trials = list(runs)
    last = _last_values(trials)
    logged = [(t.run.params, last.get(t.current_attempt_id or 0, {})) for t in trials]
    params = list(dict.fromkeys(name for own, _ in logged for name in own))
    metrics = sorted({name for _, own in logged for name in own})
    tags = sorted({name for trial in trials for name in trial.run.tags})
    writer = csv.writer(file, lineterminator="\n")
    headings = [
        *("id", "name", *RUN_COLUMNS),
        *(f"params.{name}" for name in params),
        *(f"metrics.{name}" for name in metrics),
        *(f"tags.{name}" for name in tags),
    ]
    writer.writerow([cell(heading) for heading in headings])
    for trial, (own, values) in zip(trials, logged, strict=True):
        row = [
            *(trial.pk, trial.run.name),
            *(getattr(trial, name) for name in RUN_COLUMNS),
            *(own.get(name) for name in params),
            *(values.get(name) for name in metrics),
            *(trial.run.tags.get(name) for name in tags),
        ]
        writer.writerow([cell(value) for value in row])


def _last_values(trials: Sequence[Trial]) -> dict[int, dict[str, float | None]]:
    """By attempt and metric."""
    metrics: dict[int, dict[str, float | None]] = {}
    found = Metric.objects.filter(attempt__in=[t.current_attempt_id for t in trials])
    for attempt, name, value in found.values_list("attempt", "name", "last_value"):
        metrics.setdefault(attempt, {})[name] = value
    return metrics


def cell(value: Any) -> Any:
    """The value for a table: text is never a formula, and None stays empty."""
    if value is None or isinstance(value, int | float):
        return value
    text = value.isoformat() if hasattr(value, "isoformat") else visible(str(value))
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def flat_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values by their addresses; a mapping has an address for each entry."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            inner = flat_params(value)
            flat |= {f"{name}.{address}": one for address, one in inner.items()}
        else:
            flat[name] = value
    return flat


def param_cell(params: dict[str, Any], name: str) -> Any:
    """Numbers as they are; other values as on the command line."""
    if name not in params:
        return None
    value = params[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number else value_text(value)


def _param_names(sweep: Sweep) -> list[str]:
    """In the order of the search space, then of first use.

    A nested choice has a column itself only if it had a value without entries.
    """
    used: dict[str, None] = {}
    for params in sweep.trials.values_list("params", flat=True).iterator():
        used.update(dict.fromkeys(flat_params(params)))
    known = _addresses(sweep)
    holders = {address.rpartition(".")[0] for address in known}
    names = [name for name in known if name in used or name not in holders]
    return list(dict.fromkeys([*names, *used]))


def _addresses(sweep: Sweep) -> list[str]:
    document = sweep.definition.get("search_space", {})
    try:
        return list(SearchSpace.parse(document).addresses)
    except DefinitionError:
        return [str(name) for name in document]


def _metric_names(sweep: Sweep) -> list[str]:
    found = Metric.objects.filter(attempt__trial__sweep=sweep)
    return list(found.order_by("name").values_list("name", flat=True).distinct())


def _trials(
    sweep: Sweep,
) -> Iterator[tuple[Trial, dict[str, float | None], float | None]]:
    """Every trial by number, with the last values of its last attempt's metrics and
    its seconds of training."""
    rows = sweep.trials.select_related("current_attempt").order_by("number")
    after = -1
    while chunk := list(rows.filter(number__gt=after)[:CHUNK]):
        metrics = _last_values(chunk)
        earlier = earlier_by_trial(trial.pk for trial in chunk)
        for trial in chunk:
            last = metrics.get(trial.current_attempt_id or 0, {})
            yield trial, last, measured_seconds(trial, earlier)
        after = chunk[-1].number
