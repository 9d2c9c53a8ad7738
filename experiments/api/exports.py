"""Whole listings as files: CSV for spreadsheets, or one JSON object in each line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import StringIO
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import Any

from django.http import StreamingHttpResponse
from ninja import Schema
from ninja.responses import NinjaJSONEncoder

from experiments.sweeps.export import cell, flat_params

# Lines of one piece of an answer; bytes of rows that wait in memory, not on disk.
CHUNK, MAX_MEMORY = 500, 8 << 20
Row = Mapping[str, Any]


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, cls=NinjaJSONEncoder, ensure_ascii=False) + "\n"


def _csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """A column for each field of any row, such as ``params.lr``: so all rows are read
    before the first line is written, and wait in a temporary file."""
    titles: dict[str, None] = {}
    with SpooledTemporaryFile(MAX_MEMORY, "w+", encoding="utf-8") as kept:
        for row in rows:
            flat = flat_params(row)
            titles.update(dict.fromkeys(flat))
            kept.write(json.dumps(flat, cls=NinjaJSONEncoder) + "\n")
        kept.seek(0)
        yield _csv_line(titles)
        for line in kept:
            found = json.loads(line)
            yield _csv_line(_plain(found.get(title)) for title in titles)


def _plain(value: Any) -> Any:
    """A list as JSON; an empty mapping has no cell."""
    if isinstance(value, bool):
        return str(value).lower()
    if value == {}:
        return None
    return json.dumps(value) if isinstance(value, list | dict) else value


def _csv_line(values: Iterable[Any]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(cell, values))
    return text.getvalue()


KINDS: Mapping[str, tuple[str, Callable[[Iterable[Row]], Iterator[str]]]] = {
    "csv": ("text/csv; charset=utf-8", _csv_lines),
    "jsonl": ("application/jsonl; charset=utf-8", _lines),
}


def export(rows: Iterable[Schema | Row], kind: str, name: str) -> StreamingHttpResponse:
    """The rows as a file of that kind."""
    content_type, lines_of = KINDS[kind]
    plain = (row.dict() if isinstance(row, Schema) else row for row in rows)
    return StreamingHttpResponse(
        _pieces(lines_of(plain)),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"'},
    )


def _pieces(lines: Iterator[str]) -> Iterator[str]:
    while piece := "".join(islice(lines, CHUNK)):
        yield piece
