"""The scale that all sparklines of a sweep share, from a sample of its curves."""

from __future__ import annotations

import numpy as np

from experiments.lru_cache import LruCache
from experiments.pages.sweep.trial_cells import SparkScale, spark_scale
from experiments.pages.trial_rows import report_curves
from experiments.sweeps.trial_columns import TrialColumns

MAX_SAMPLED, MAX_POINTS = 40, 40
_scales: LruCache[object, SparkScale] = LruCache(200)


def sweep_scale(columns: TrialColumns) -> SparkScale:
    """Read again when the number of trials with reports has grown by a fifth, so that
    it seldom changes; with few trials, at each report."""
    data = columns.data
    reported = np.flatnonzero(data.reports > 0)
    longest = int(data.reports.max(initial=1))
    size = int(np.log(max(1, len(reported))) / np.log(1.2))
    few = int(data.reports.sum()) if len(reported) <= MAX_SAMPLED else 0
    key = (columns.sweep.pk, columns.sweep.created_at, size, longest, few)
    scale = _scales.get(key)
    if scale is None:
        sample = np.linspace(0, len(reported) - 1, min(MAX_SAMPLED, len(reported)))
        places = {*reported[sample.astype(int)].tolist(), columns.best} - {None}
        ids = [
            int(data.ids[place]) for place in sorted(p for p in places if p is not None)
        ]
        curves = report_curves(ids, most=MAX_POINTS)
        maximizes = columns.sweep.goal == "maximize"
        scale = spark_scale(list(curves.values()), longest=longest, maximizes=maximizes)
        _scales.put(key, scale)
    return scale
