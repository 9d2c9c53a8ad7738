"""What the table of trials shows, as CSV or JSON; configurations to copy."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import Any

import numpy as np
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    StreamingHttpResponse,
)

from experiments.pages.frame import get, sweep_to_read
from experiments.pages.sweep.best_configuration import literal
from experiments.pages.sweep.table_columns import MOMENTS
from experiments.pages.sweep.trial_table import TableQuery, TableRows
from experiments.search.document.yaml import yaml_text
from experiments.search.filters.columns import SeveralColumn
from experiments.search.records import JSONValue
from experiments.sweeps.control import NotPossible
from experiments.sweeps.export import cell
from experiments.sweeps.picked import picked_numbers
from experiments.sweeps.trial_order import Places

CHUNK = 500
MAX_COPIED = 1_000
# What is drawn, or says in words what other columns have.
NOT_EXPORTED = frozenset({"curve", "interval"})
Values = Sequence[JSONValue]


def exported(query: TableQuery, places: Places) -> Iterator[tuple[JSONValue, ...]]:
    """The shown columns of the trials, first their titles."""
    columns = [c for c in query.shown if c.key not in NOT_EXPORTED]
    yield tuple("message" if c.key == "status" else c.title for c in columns)
    for start in range(0, len(places), CHUNK):
        part = places[start : start + CHUNK]
        values = (raw_values(query, column.key, part) for column in columns)
        yield from zip(*values, strict=True)


def raw_values(query: TableQuery, key: str, places: Places) -> Values:
    """A column's values as they are; None for none."""
    column = query.columns.column("message" if key == "status" else key)
    if isinstance(column, SeveralColumn):
        return column.texts(places)
    numbers, labels = column.numbers_at(places), column.labels_at(places)
    if key in MOMENTS:
        return [None if n is None else _moment(n) for n in numbers]
    return [
        _whole(number) if label is None else label
        for number, label in zip(numbers, labels, strict=True)
    ]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _whole(number: float | None) -> float | None:
    # JSON has no infinity.
    if number is None or not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


# --- files ----------------------------------------------------------------------------


def _csv(rows: Iterator[tuple[JSONValue, ...]]) -> Iterator[str]:
    while chunk := list(islice(rows, CHUNK)):
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(map(cell, row) for row in chunk)
        yield text.getvalue()


def _json(rows: Iterator[tuple[JSONValue, ...]]) -> Iterator[str]:
    """A list with an object for each trial."""
    titles = unlike(map(str, next(rows)))
    before = "[\n"
    for row in rows:
        yield before + json.dumps(dict(zip(titles, row, strict=True)))
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def unlike(titles: Iterable[str]) -> list[str]:
    """Names of which no two are equal, as a parameter may be called like a metric."""
    found: list[str] = []
    for title in titles:
        count = 2
        name = title
        while name in found:
            name, count = f"{title} ({count})", count + 1
        found.append(name)
    return found


TYPES: Mapping[str, tuple[str, Callable[..., Iterator[str]]]] = {
    "csv": ("text/csv; charset=utf-8", _csv),
    "json": ("application/json", _json),
}


def export_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _export(request, pk, "csv")


def export_json(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _export(request, pk, "json")


def _export(request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
    """The trials that match ``q``, or those of ``numbers``, in the table's order."""
    query = TableQuery(sweep_to_read(request, pk), request.GET, few=False)
    if query.error is not None:
        return HttpResponseBadRequest(str(query.error), content_type="text/plain")
    try:
        places = _places(request, query)
    except NotPossible as error:
        return HttpResponseBadRequest(str(error), content_type="text/plain")
    content_type, text_of = TYPES[kind]
    name = f"{query.sweep.label}-trials.{kind}"
    return StreamingHttpResponse(
        text_of(exported(query, places)),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _places(request: HttpRequest, query: TableQuery) -> Places:
    """In order; groups' trials one after the other. Raises NotPossible."""
    rows = TableRows(query)
    places = rows.order
    if rows.groups is not None:
        members = [rows.groups.members(int(group)) for group in rows.order]
        places = np.concatenate([np.empty(0, np.intp), *members])
    if text := request.GET.get("numbers"):
        numbers = query.columns.data.numbers[places]
        places = places[np.isin(numbers, picked_numbers(text))]
    return places


def copy(request: HttpRequest, pk: int) -> HttpResponse:
    """Configurations as text, as Python or YAML: of ``numbers``, or of the best."""
    sweep = sweep_to_read(request, pk)
    try:
        numbers = picked_numbers(request.GET.get("numbers", ""))[:MAX_COPIED]
    except NotPossible as error:
        return HttpResponseBadRequest(str(error), content_type="text/plain")
    rows = sweep.trials.filter(number__in=numbers).order_by("number")
    found = dict(rows.values_list("number", "params"))
    text = as_yaml(found) if request.GET.get("as") == "yaml" else as_python(found)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def as_python(found: Mapping[int, Mapping[str, Any]]) -> str:
    """A dictionary of configurations by number."""
    lines = [f"    {number}: {_dict(params)}," for number, params in found.items()]
    return "\n".join(["trials = {", *lines, "}\n"])


def _dict(params: Mapping[str, Any]) -> str:
    entries = (f"{literal(name)}: {_text(value)}" for name, value in params.items())
    return f"{{{', '.join(entries)}}}"


def _text(value: Any) -> str:
    return _dict(value) if isinstance(value, Mapping) else literal(value)


def as_yaml(found: Mapping[int, Mapping[str, Any]]) -> str:
    return (
        yaml_text({str(n): dict(params) for n, params in found.items()}, width=88)
        if found
        else "{}\n"
    )


urlpatterns = [
    get("sweeps/<int:pk>/export.csv", export_csv, "sweep_export_csv"),
    get("sweeps/<int:pk>/export.json", export_json, "sweep_export_json"),
    get("sweeps/<int:pk>/trials/copy/", copy, "sweep_trials_copy"),
]
