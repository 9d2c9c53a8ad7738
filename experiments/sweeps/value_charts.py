"""How values are spread, and what they cost in time, as JSON for browsers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.formatting import duration_text, metric_text
from experiments.models import Sweep
from experiments.search.analysis import distribution
from experiments.search.analysis.factors import Floats
from experiments.search.wording import counted
from experiments.sweeps.analyses import Answer, needs, valued
from experiments.sweeps.columns import SweepColumns


def pareto_answer(columns: SweepColumns) -> Answer:
    """Trials that no other beats in training time and value."""
    data, losses = columns.data, columns.score
    took = np.where(np.isfinite(losses), data.took, np.nan)
    usable = int(np.isfinite(took).sum())
    if usable < 2:
        return needs(2, usable, what="trials with a value and a duration")
    front = distribution.pareto_front(took, losses)
    knee = distribution.knee(took[front], losses[front])
    return {
        "ready": True,
        "numbers": data.numbers[front].tolist(),
        "points": np.column_stack([took[front], data.value[front]]).tolist(),
        "knee": None if knee is None else int(data.numbers[front][knee]),
        "sentence": _front_sentence(columns, took[front], data.value[front]),
    }


def _front_sentence(columns: SweepColumns, took: Floats, values: Floats) -> str:
    if len(took) == 1:
        number = columns.best
        return f"Trial {number} is the best and as quick as any other."
    quick, best = metric_text(values[0]), metric_text(values[-1])
    return (
        f"Pareto front of {counted(len(took), 'trial')}; none is both faster and"
        f" better: from {quick} in {duration_text(took[0])} to {best} in"
        f" {duration_text(took[-1])}."
    )


def edf_curve(sweep: Sweep, columns: SweepColumns) -> Answer:
    """One sweep's values: which share of its trials is at or below each."""
    values = np.where(np.isfinite(columns.score), columns.data.value, np.nan)
    count = valued(columns)
    points = distribution.edf(values)
    return {
        "id": sweep.pk,
        "label": sweep.label,
        "url": sweep.get_absolute_url(),
        "trials": count,
        "median": float(np.nanmedian(values)) if count else None,
        "points": [[float(f"{v:.7g}"), round(share, 5)] for v, share in points],
    }


def edf_sentence(curves: Sequence[Answer]) -> str:
    """``202 trials against 160. Median 0.851 against 0.858.``"""
    counts = " against ".join(f"{curve['trials']:,}" for curve in curves)
    medians = " against ".join(metric_text(curve["median"]) for curve in curves)
    first, *others = counts.split(" against ")
    unit = "trial" if first == "1" else "trials"
    return f"{' against '.join([f'{first} {unit}', *others])}. Median {medians}."


def edf_answer(columns: SweepColumns) -> Answer:
    """The values of one sweep alone."""
    curve = edf_curve(columns.sweep, columns)
    if not curve["trials"]:
        return needs(1, 0)
    return {"ready": True, "sentence": edf_sentence([curve]), **curve}
