"""Keeps one in N points of the metrics that a sweep is not about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from experiments.cleanup.sizes import MIN_THINNED, other_metrics, thinned_bytes
from experiments.models import Attempt, TrashItem
from experiments.tracking import codec, series
from experiments.tracking.codec import Records
from experiments.tracking.compaction import replace_points

BATCH = 50


def thin_points(item: TrashItem) -> Iterator[int]:
    """The bytes that each step has freed. An attempt that runs again is left out."""
    keep = item.keep or 1
    marked = Attempt.objects.filter(points_trash=item).order_by("pk")
    while batch := list(marked.values_list("pk", flat=True)[:BATCH]):
        attempts = Attempt.objects.filter(pk__in=batch)
        freed = thinned_bytes(attempts, keep)
        done = [pk for pk in batch if _thin(pk, keep)]
        attempts.update(points_trash=None)
        attempts.filter(pk__in=done).update(thinned=keep)
        yield freed


def _thin(attempt: int, keep: int) -> bool:
    metrics = other_metrics(Attempt.objects.filter(pk=attempt))
    rows = series.stored_rows(metrics.values_list("pk", flat=True))
    for part in series.in_parts(rows, lambda row: row.count):
        found = series.read_rows(part)
        cuts = {pk: list(codec.cut(thinned(found[pk], keep), 0)) for pk in found}
        counts = {row.pk: row.count for row in part}
        if not replace_points(attempt, counts, cuts, start=0):
            return False
    return True


def thinned(points: Records, keep: int) -> Records:
    """One in ``keep`` points, the extremes, and the first and last step."""
    if len(points) < MIN_THINNED:
        return points
    values = points["value"]
    kept = {*range(0, len(points), keep), len(points) - 1, int(points["step"].argmax())}
    if np.isfinite(values).any():
        finite = np.where(np.isfinite(values), values, np.nan)
        kept |= {int(np.nanargmin(finite)), int(np.nanargmax(finite))}
    return points[sorted(kept)]
