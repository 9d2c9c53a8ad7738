"""The model of the chart that holds a trial's curve against the policy's threshold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from experiments.models import Decision, Report, Trial
from experiments.pages.rows import thinned
from experiments.words import number_text

MOST_RIVALS = 60
MOST_POINTS = 60

Points = list[list[float | None]]
# Median stopping holds a trial against the others' means, all else against their bests.
COMPARED = {"median_stopping": ("mean_loss", "running averages")}
OTHERWISE = ("best_loss", "best values up to each report")


def compared_in_words(policy: str) -> str:
    """What the grey lines are: "running averages"."""
    return COMPARED.get(policy, OTHERWISE)[1]


def threshold_model(
    trial: Trial, decisions: Sequence[Decision], *, policy: str, unjudged: int
) -> dict[str, Any]:
    """The model that static/js/charts/threshold.js draws; three queries."""
    sweep = trial.sweep
    if sweep is None:
        return {}
    reports, best = _own_curves(trial)
    column = COMPARED.get(policy, OTHERWISE)[0]
    setters = {number for decision in decisions for number in decision.setters}
    ended = next((decision.n for decision in decisions if decision.stop), None)
    return {
        "metric": sweep.primary_metric,
        "goal": sweep.goal,
        "xLabel": "report",
        "state": trial.state,
        "reports": reports,
        "best": best,
        "threshold": thinned([[d.n, d.threshold] for d in decisions]),
        "rivals": _rivals(trial, column, setters),
        "unjudgedUntil": unjudged,
        "endedAt": ended,
    }


def threshold_label(trial: Trial, model: dict[str, Any]) -> str:
    """What the chart shows, in a sentence, for those who do not see it."""
    if not model.get("reports"):
        return "No report yet."
    words = f"{trial.reports} reports of {model['metric']}"
    if trial.value is not None:
        words += f"; best {number_text(trial.value)} at report {trial.value_report}"
    if model["threshold"]:
        words += f"; last threshold {number_text(model['threshold'][-1][1])}"
    return f"{words}; {len(model['rivals'])} other trials in grey."


def _own_curves(trial: Trial) -> tuple[Points, Points]:
    rows = trial.report_set.order_by("n").values_list("n", "value", "best_loss")
    reports: Points = []
    best: Points = []
    for n, value, best_loss in rows:
        reports.append([n, _finite(value)])
        best.append([n, _value(trial, best_loss)])
    return thinned(reports), thinned(best)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _value(trial: Trial, loss: float) -> float | None:
    """A loss in the metric's own sign."""
    if trial.sweep is None or not np.isfinite(loss):
        return None
    return trial.sweep.objective.value(loss)


def _rivals(trial: Trial, column: str, setters: Collection[int]) -> list[Points]:
    if not trial.reports:
        return []
    kept = np.unique(np.linspace(1, trial.reports, MOST_POINTS).round().astype(int))
    rows = Report.objects.filter(
        trial__in=_drawn_rivals(trial, setters), n__in=[int(n) for n in kept]
    ).order_by("trial", "n")
    curves: dict[int, Points] = defaultdict(list)
    for trial_id, n, loss in rows.values_list("trial_id", "n", column):
        curves[trial_id].append([n, _value(trial, loss)])
    return list(curves.values())


def _drawn_rivals(trial: Trial, setters: Collection[int]) -> list[int]:
    """Who is drawn: those that set a threshold, then of those that came as far an
    even choice, then the others."""
    rows = list(
        Trial.objects.filter(sweep=trial.sweep, reports__gte=1)
        .exclude(pk=trial.pk)
        .order_by("number")
        .values_list("pk", "number", "reports")
    )
    first = [pk for pk, number, _ in rows if number in setters][:MOST_RIVALS]
    as_far = [pk for pk, _, reports in rows if reports >= trial.reports]
    others = [pk for pk, _, reports in rows if reports < trial.reports]
    order = [*first, *_even(as_far), *_even(others)]
    return list(dict.fromkeys(order))[:MOST_RIVALS]


def _even(ids: Sequence[int]) -> Sequence[int]:
    if len(ids) <= MOST_RIVALS:
        return ids
    places = np.linspace(0, len(ids) - 1, MOST_RIVALS).round().astype(int)
    return [ids[place] for place in places]
