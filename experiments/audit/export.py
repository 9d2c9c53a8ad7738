"""Events as CSV and as JSON lines, row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from experiments.models import Event
from experiments.sweeps.export import cell

CHUNK = 2_000
CSV, JSON_LINES = "csv", "json"
TYPES = {
    CSV: "text/csv; charset=utf-8",
    JSON_LINES: "application/x-ndjson",
}


COLUMNS = (
    *("id", "time", "who", "what", "kind", "object", "team", "message"),
    *("before", "after", "via", "address", "request", "sweep_id", "trial_id"),
)


def event_row(event: Event) -> dict[str, Any]:
    """What programs get of an event, by COLUMNS."""
    return {
        "id": event.pk,
        "time": event.created_at.isoformat(),
        "who": event.actor_name,
        "what": event.verb,
        "kind": event.object_kind,
        "object": event.object_name,
        "team": event.team_name,
        "message": event.message,
        "before": event.before,
        "after": event.after,
        "via": event.via,
        "address": event.address,
        "request": event.request_id,
        "sweep_id": event.sweep_id,
        "trial_id": event.trial_id,
    }


def in_chunks(rows: QuerySet[Event]) -> Iterator[Event]:
    """The newest first. Between chunks no transaction is open, however slow the reader
    is."""
    rows, last = rows.order_by("-pk"), None
    while True:
        chunk = list((rows if last is None else rows.filter(pk__lt=last))[:CHUNK])
        yield from chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1].pk


def as_text(rows: QuerySet[Event], kind: str) -> Iterator[str]:
    found = map(event_row, in_chunks(rows))
    return _csv(found) if kind == CSV else map(json_line, found)


def json_line(row: dict[str, Any]) -> str:
    """Only ASCII: no terminal changes the order of its characters."""
    return json.dumps(row) + "\n"


class _Line:
    """What csv writes to."""

    def write(self, text: str) -> str:
        return text


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A text that begins like a formula is quoted, and no character is unseen."""
    writer = csv.writer(_Line(), lineterminator="\n")
    yield writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([_cell(value) for value in row.values()])


def _cell(value: Any) -> Any:
    return cell(json.dumps(value) if isinstance(value, dict) and value else value or "")
