"""The model of the chart of a trial's curve and the policy's threshold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from experiments.formatting import number_text
from experiments.models import Decision, Trial
from experiments.pages.curves import MANY_POINTS, Points, drawn, envelope
from experiments.pages.trial.verdicts import kept_words
from experiments.pages.trial_rows import thinned
from experiments.search.simulation.recording import losses_of
from experiments.tracking import codec, excerpts, series
from experiments.tracking.excerpts import telling

MAX_RIVALS = 60
MAX_POINTS = 60
# Reports of others, of 10 to 20 bytes each.
MAX_READ = 500_000

Column = Callable[[NDArray[np.float64]], NDArray[np.float64]]
KNOWN = "as of its last check."
BESTS = f"Gray: the best values of the others up to each report, {KNOWN}"
ALONE = "Gray: the best values of the others, which do not count here."
# What the lines are and what they decide, by the kind of policy.
QUESTIONS: Mapping[str, str] = {
    "median_stopping": f"Gray: the running averages of the others, {KNOWN} A trial ends"
    " when its best is worse than the line.",
    "predictive": f"{BESTS} The line is the best of all, which it has to beat.",
    "predictive_halving": f"{BESTS} The line is what the last rung requires, or the"
    " best of all, which it has to be likely to beat.",
    "wandb_hyperband": f"Gray: the values of the others, {KNOWN} The line is what the"
    " last band requires.",
    "threshold": f"{ALONE} The line is the bound that it must meet.",
    "patience": f"{ALONE} The line is its own best some reports ago, which it must"
    " beat.",
    "any_of": f"{BESTS} The line is the threshold of the rule that decided.",
    "all_of": f"{BESTS} The line is the threshold of the rule that decided.",
}
OTHERWISE = f"{BESTS} A trial ends when its best is worse than the line."
NOT_JUDGED = "Gray: the best values of the others up to each report."
# What the line is called, where that is not a threshold.
NAMES: Mapping[str, str] = {
    "predictive": "best of all",
    "predictive_halving": "to beat",
    "threshold": "bound",
    "patience": "to beat",
}


def chart_question(policy: str, decisions: Sequence[Decision] = ()) -> str:
    """What the chart shows; ``policy`` is its kind, empty for none."""
    if policy == "predictive" and (kept := kept_words(decisions, alone=True)):
        return f"{BESTS} There is no line to beat: {kept}."
    return QUESTIONS.get(policy, OTHERWISE) if policy else NOT_JUDGED


def line_name(policy: str) -> str:
    return NAMES.get(policy, "threshold")


def own_name(policy: str) -> str:
    """What the compared value of the trial is called."""
    return "own value" if policy == "wandb_hyperband" else "own best"


def threshold_model(
    trial: Trial, decisions: Sequence[Decision], *, policy: str, unjudged: int
) -> dict[str, Any]:
    """The model that static/js/charts/threshold.js draws; three queries.

    It has those reports of the others that the last verdict could know, and those that
    set a threshold; without a verdict, all of them.
    """
    sweep = trial.sweep
    if sweep is None:
        return {}
    reports, best = _own_curves(trial)
    column = COLUMNS.get(policy, np.minimum.accumulate)
    # By setter the last report that a verdict used; verdicts are in order of reports.
    setters = {n: decision.n for decision in decisions for n in decision.setters}
    ended = next((decision.n for decision in decisions if decision.stop), None)
    return {
        "metric": sweep.primary_metric,
        "goal": sweep.goal,
        "xLabel": "report",
        "state": trial.state,
        "reports": reports,
        "best": best,
        "threshold": thinned(_line(decisions)),
        "lineName": line_name(policy),
        "rivals": _rivals(trial, column, setters, decisions[-1:]),
        "unjudgedUntil": unjudged,
        "endedAt": ended,
    }


def threshold_label(trial: Trial, model: dict[str, Any]) -> str:
    """What the chart shows, in a sentence for screen readers."""
    if not model.get("reports"):
        return "No report yet."
    words = f"{trial.reports} reports of {model['metric']}"
    if trial.value is not None:
        words += f"; best {number_text(trial.value)} at report {trial.value_report}"
    if model["threshold"]:
        last = number_text(model["threshold"][-1][1])
        words += f"; {model['lineName']} at the last check {last}"
    return f"{words}; {len(model['rivals'])} other trials in gray."


def _line(decisions: Sequence[Decision]) -> Points:
    """The threshold, report by report; a value to reach by some report is constant."""
    last = decisions[-1] if decisions else None
    if last is None or last.policy != "threshold":
        return [[d.n, d.threshold] for d in decisions]
    missed = last.threshold
    bound = last.settings.get("value") if missed is None else missed
    return [[d.n, bound] for d in decisions]


def _own_curves(trial: Trial) -> tuple[Points, Points]:
    """Its reports, thinned where they are many, and its best up to each of them."""
    found = excerpts.reports(Trial.objects.filter(pk=trial.pk), telling).get(trial.pk)
    if found is None:
        return [], []
    numbers, values = found.places + 1, found.points["value"]
    kept = np.arange(len(numbers))
    if trial.reports > MANY_POINTS:
        kept = envelope(numbers, values, span=trial.reports)
    best = np.minimum.accumulate(_losses(trial, values))
    own = drawn(numbers[kept], values[kept])
    return own, _curve(trial, numbers[kept], best[kept])


def _losses(trial: Trial, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if trial.sweep is None:
        return np.full(len(values), np.inf)
    return losses_of(values, trial.sweep.objective)


def _curve(
    trial: Trial, numbers: NDArray[np.int64], losses: NDArray[np.float64]
) -> Points:
    pairs = zip(numbers.tolist(), losses.tolist(), strict=True)
    return [[n, _value(trial, loss)] for n, loss in pairs]


def _value(trial: Trial, loss: float) -> float | None:
    """A loss in the metric's own sign."""
    if trial.sweep is None or not np.isfinite(loss):
        return None
    return trial.sweep.objective.value(loss)


def _rivals(
    trial: Trial, column: Column, setters: Mapping[int, int], last: Sequence[Decision]
) -> list[Points]:
    """The others, up to the last report that the last verdict, if any, could know.

    A report that a resumed attempt took over has the time of that. What a verdict
    names was known to it, whatever the time.
    """
    if not trial.reports:
        return []
    reached = last[0].n if last else trial.reports
    until = last[0].created_at if last else None
    kept = np.array(thinned(range(1, reached + 1), MAX_POINTS))
    numbers = _drawn_rivals(trial, reached, setters, until)
    others = Trial.objects.filter(pk__in=numbers)
    curves: list[Points] = []
    for pk, points in series.reported(others, stop=reached):
        known = _known(points["arrived"], until, setters.get(numbers[pk], 0))
        losses = column(_losses(trial, points["value"]))
        shown = kept[kept <= known]
        curves.append(_curve(trial, shown, losses[shown - 1]))
    return [curve for curve in curves if curve]


def _known(arrived: NDArray[np.int64], until: datetime | None, named: int) -> int:
    """How many reports there were; a database may keep moments to the millisecond."""
    if until is None:
        return len(arrived)
    in_time = np.count_nonzero(arrived <= codec.microseconds(until) + 999)
    return min(len(arrived), max(int(in_time), named))


def _drawn_rivals(
    trial: Trial, reached: int, setters: Collection[int], until: datetime | None
) -> dict[int, int]:
    """The ids and numbers of the trials to draw: those that set a threshold, then some
    of those that came as far, then some others. Fewer if their reports are many."""
    others = Trial.objects.filter(sweep=trial.sweep_id, reports__gt=0)
    if until is not None:
        begun = Q(current_attempt__claimed_at__lte=until)
        others = others.filter(begun | Q(number__in=list(setters)))
    rows = others.exclude(pk=trial.pk).order_by("number")
    found = list(rows.values_list("pk", "number", "reports"))
    most = max(1, min(MAX_RIVALS, MAX_READ // reached))
    first = [row for row in found if row[1] in setters]
    as_far = [row for row in found if row[2] >= reached]
    rest = [row for row in found if row[2] < reached]
    spread = [*first[:most], *thinned(as_far, most), *thinned(rest, most)]
    return {pk: number for pk, number, _ in list(dict.fromkeys(spread))[:most]}


def _means(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the finite losses up to each; infinity before the first."""
    is_finite = np.isfinite(losses)
    counts = np.cumsum(is_finite)
    # A sum of large losses may overflow, and is not drawn then.
    with np.errstate(over="ignore"):
        sums = np.cumsum(np.where(is_finite, losses, 0.0))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


# What a policy compares a trial with, where that is not the best of each other trial.
COLUMNS: Mapping[str, Column] = {
    "median_stopping": _means,
    "wandb_hyperband": lambda losses: losses,
}
