"""Learning curves of some of a sweep's trials, and how those of all are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.models import Trial
from experiments.models.trials import TRIAL_LIVE
from experiments.pages.sweep.charts import MAX_TRIALS, points_each
from experiments.sweeps.analyses import cached
from experiments.sweeps.columns import SweepColumns, evenly_spread
from experiments.sweeps.parameter_columns import rounded
from experiments.sweeps.trial_arrays import Floats, Integers
from experiments.tracking import excerpts

BEST, LIVE = 20, 100
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
# A density has this many bands with as many curves in each; it is of a fair sample.
BANDS, MAX_SPREAD = 20, 1_000
# Places along the axis of reports, and curves without which there is no spread.
MAX_PLACES, MIN_CURVES = 60, 5


def curves_answer(columns: SweepColumns, numbers: Sequence[int] = ()) -> dict[str, Any]:
    """Of these trials; without numbers of the best, those that run, and a fair sample,
    MAX_TRIALS in all."""
    sample = _sample(columns)
    if numbers:
        wanted = (columns.data.place(number) for number in numbers[:MAX_TRIALS])
        places = [place for place in wanted if place is not None]
    else:
        places = _picked(columns, sample)
    curves = _curves(columns, places)
    if not curves:
        return {"ready": False, "sentence": "No trial has reported a value yet."}
    shown = [place for place in places if place in curves]
    answer: dict[str, Any] = {
        "ready": True,
        "numbers": columns.data.numbers[shown].tolist(),
        "points": [curves[place].tolist() for place in shown],
    }
    if not numbers:
        spread = cached(columns, "curves", lambda: _spread(columns, sample))
        answer |= {
            "sentence": _sentence(columns, len(shown)),
            "dense": _dense(columns),
            "quantiles": spread,
        }
    return answer


def _spread(columns: SweepColumns, sample: Integers) -> dict[str, Any] | None:
    curves = _curves(columns, sample[:MAX_SPREAD].tolist())
    return _quantiles(list(curves.values()), columns.data.reports)


def _sample(columns: SweepColumns) -> Integers:
    """The places of trials that have reports, in a fair order that stays the same."""
    drawn = np.flatnonzero((columns.data.reports > 0) & ~columns.drawn.archived)
    hashed = evenly_spread(columns.data.numbers[drawn])
    return drawn[np.argsort(hashed, kind="stable")]


def _picked(columns: SweepColumns, sample: Integers) -> list[int]:
    order = np.argsort(columns.score, kind="stable")[:BEST]
    best = order[np.isfinite(columns.score[order])]
    live = np.flatnonzero(columns.data.are_in(TRIAL_LIVE))[-LIVE:]
    first = dict.fromkeys([*best.tolist(), *live.tolist(), *sample.tolist()])
    return list(first)[:MAX_TRIALS]


def _curves(columns: SweepColumns, places: Sequence[int]) -> Mapping[int, Floats]:
    """[report, value, step, seconds since the start] by place; of long curves some."""
    most = points_each(len(places))
    ids = columns.data.ids[list(places)].tolist()
    trials = Trial.objects.filter(pk__in=ids)
    found = excerpts.reports(trials, excerpts.spread(most), metric=columns.metric)
    claimed = dict(trials.values_list("pk", "current_attempt__claimed_at"))
    by_id = dict(zip(ids, places, strict=True))
    return {
        by_id[pk]: _curve(each.thinned(most), claimed[pk])
        for pk, each in found.items()
        if len(each.places)
    }


def _curve(excerpt: excerpts.Excerpt, started: datetime | None) -> Floats:
    points = excerpt.points
    since = np.nan if started is None else started.timestamp()
    seconds = np.maximum(0.0, points["time"] / 1e6 - since)
    value = rounded(np.where(np.isfinite(points["value"]), points["value"], np.nan))
    return np.column_stack(
        [excerpt.places + 1, value, points["step"], np.round(seconds, 1)]
    )


def _quantiles(
    curves: Sequence[Floats], reports: NDArray[np.int64]
) -> dict[str, Any] | None:
    """At each report the spread of the curves that reach it, and how many trials do."""
    if len(curves) < MIN_CURVES:
        return None
    last = max(int(curve[-1, 0]) for curve in curves)
    places = np.unique(np.linspace(1, last, MAX_PLACES).round())
    values = np.array([_at(curve, places) for curve in curves])
    kept = np.isfinite(values).sum(axis=0) >= MIN_CURVES
    if not kept.any():
        return None
    found = np.nanquantile(values[:, kept], LEVELS, axis=0)
    ends = np.nanquantile(values[:, kept], np.linspace(0, 1, BANDS + 1), axis=0)
    reached = [int((reports >= place).sum()) for place in places[kept]]
    return {
        "reports": places[kept].astype(int).tolist(),
        "trials": reached,
        "levels": LEVELS,
        "values": rounded(found.T, 5).tolist(),
        "bands": rounded(ends.T, 5).tolist(),
    }


def _at(curve: Floats, places: Floats) -> Floats:
    """The curve's values between its points, and none behind its end."""
    known = curve[np.isfinite(curve[:, 1])]
    if not len(known):
        return np.full(len(places), np.nan)
    values = np.interp(places, known[:, 0], known[:, 1], left=np.nan, right=np.nan)
    return np.asarray(values)


def _sentence(columns: SweepColumns, drawn: int) -> str:
    reported = int((columns.data.reports > 0).sum())
    if drawn >= reported:
        return f"Curves of all {reported:,} trials with reports."
    return (
        f"Curves of {drawn:,} of {reported:,} trials with reports: the best {BEST},"
        " those that run, and a fair sample."
    )


def _dense(columns: SweepColumns) -> str:
    """What is drawn as a density."""
    reported = int((columns.data.reports > 0).sum())
    whose = f"all {reported:,} trials with reports"
    if reported > MAX_SPREAD:
        whose = f"a fair sample of {MAX_SPREAD:,} of {reported:,} trials with reports"
    return f"Density of {whose}; lines for the best, the running and the ticked ones."
