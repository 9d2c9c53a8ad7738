"""The points of metrics, read from the tables without the application's models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from experiments.tracking import codec

METRICS = "SELECT id, attempt_id, name, count, tail FROM experiments_metric ORDER BY id"
SEGMENTS = "SELECT metric_id, data FROM experiments_segment ORDER BY metric_id, first"


class StoredSeries(NamedTuple):
    attempt: int
    name: str
    steps: list[int]


def stored_series(rows: Callable[[str], Iterable[Any]]) -> Iterator[StoredSeries]:
    """The steps of every metric, in the order of arrival."""
    metrics = list(rows(METRICS))
    segments: dict[int, list[Any]] = defaultdict(list)
    for metric, data in rows(SEGMENTS):
        segments[metric].append(codec.decode(data))
    for pk, attempt, name, count, tail in metrics:
        newest = codec.from_tail(tail)
        # What became a segment since the first query is in the tail as well.
        older = np.concatenate([codec.empty(), *segments[pk]])[: count - len(newest)]
        steps = np.concatenate([older, newest])["step"].tolist()
        yield StoredSeries(attempt, name, steps)
