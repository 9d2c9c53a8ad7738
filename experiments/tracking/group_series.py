"""The series of a group of requests: read together, and made if they are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from experiments.models import Metric
from experiments.models.metrics import SYSTEM
from experiments.tracking import sql
from experiments.tracking.arriving import ArrivingSeries
from experiments.tracking.held import rooms_for_names
from experiments.tracking.report_batch import ReportBatch


class GroupSeries:
    """By attempt and name. `primary_of` names the primary metric of an attempt."""

    def __init__(self, primary_of: Callable[[int], str | None]) -> None:
        self._primary_of = primary_of
        self._found: dict[int, dict[str, ArrivingSeries]] = defaultdict(dict)

    def of(self, attempt: int) -> Mapping[str, ArrivingSeries]:
        return self._found[attempt]

    def changed(self) -> list[ArrivingSeries]:
        every = (each for own in self._found.values() for each in own.values())
        return [each for each in every if each.is_changed]

    def open(self, batches: Sequence[ReportBatch]) -> None:
        """Read the series of all points, and make those that are missing."""
        wanted: dict[tuple[int, str], bool] = {}
        for batch in batches:
            for name in batch.by_name:
                wanted.setdefault((batch.attempt, name), batch.collected)
        self._read([pair for pair in wanted if not self._has(*pair)])
        missing = {p: collected for p, collected in wanted.items() if not self._has(*p)}
        if missing:
            self._make(missing)
        self._look(batches)

    def _has(self, attempt: int, name: str) -> bool:
        return name in self._found[attempt]

    def _read(self, pairs: Sequence[tuple[int, str]]) -> None:
        for start in range(0, len(pairs), sql.MAX_ROWS):
            some = sql.columns(pairs[start : start + sql.MAX_ROWS])
            for row in sql.METRICS.rows(*some):
                self._add(row)

    def _add(self, row: Sequence[Any]) -> None:
        series = ArrivingSeries(row)
        self._found[series.attempt][series.name] = series

    def _make(self, missing: Mapping[tuple[int, str], bool]) -> None:
        """New series, as far as each attempt has room for more names."""
        rooms = rooms_for_names({attempt for attempt, _ in missing})
        made: list[Metric] = []
        for (attempt, name), collected in missing.items():
            if name != self._primary_of(attempt):
                kind = name.startswith(SYSTEM)
                rooms[attempt][kind] -= 1
                if rooms[attempt][kind] < 0:
                    continue
            made.append(Metric(attempt_id=attempt, name=name, collected=collected))
        for metric in Metric.objects.bulk_create(made):
            row = (metric.pk, metric.attempt_id, metric.name, 0, *[None] * 5)
            self._add((*row, b"", metric.collected))

    def _look(self, batches: Iterable[ReportBatch]) -> None:
        """Read the segments that may have some of the points already."""
        found: dict[int, tuple[ArrivingSeries, list[int]]] = {}
        for batch in batches:
            own = self._found[batch.attempt]
            for name, points in batch.by_name.items():
                if name in own and (steps := own[name].steps_to_look_up(points)):
                    found.setdefault(own[name].pk, (own[name], []))[1].extend(steps)
        if not found:
            return
        rows = [(pk, min(steps), max(steps)) for pk, (_, steps) in found.items()]
        for pk, data in sql.SEGMENTS.rows(*sql.columns(rows)):
            found[pk][0].add_segment(bytes(data))
