"""The model of the chart of a trial's curve and the policy's threshold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.db.models import Q

from experiments.formatting import number_text
from experiments.models import Decision, Report, Trial
from experiments.pages.curves import MANY_POINTS, Envelopes, Points, finite
from experiments.pages.trial_rows import thinned
from experiments.search.termination.predictive import EQUAL_REPORTS

MAX_RIVALS = 60
MAX_POINTS = 60

# Median stopping compares with the others' means, all else with their bests.
MEAN, BEST = "mean_loss", "best_loss"
KNOWN = "as of its last check."
BESTS = f"Gray: the best values of the others up to each report, {KNOWN}"
ALONE = "Gray: the best values of the others, which do not count here."
# What the lines are and what they decide, by the kind of policy.
QUESTIONS: Mapping[str, str] = {
    "median_stopping": f"Gray: the running averages of the others, {KNOWN} A trial ends"
    " when its best is worse than the line.",
    "predictive": f"{BESTS} The line is the best of all, which it has to beat.",
    "threshold": f"{ALONE} The line is the bound that it must meet.",
    "patience": f"{ALONE} The line is its own best some reports ago, which it must"
    " beat.",
    "any_of": f"{BESTS} The line is the threshold of the rule that decided.",
    "all_of": f"{BESTS} The line is the threshold of the rule that decided.",
}
OTHERWISE = f"{BESTS} A trial ends when its best is worse than the line."
REPEATED = f"{BESTS} No line decided: each of its reports equals one of another trial."
NOT_JUDGED = "Gray: the best values of the others up to each report."
# What the line is called, where that is not a threshold.
NAMES: Mapping[str, str] = {
    "predictive": "best of all",
    "threshold": "bound",
    "patience": "to beat",
}


def chart_question(policy: str, decisions: Sequence[Decision] = ()) -> str:
    """What the chart shows; ``policy`` is its kind, empty for none."""
    if any(decision.stop and EQUAL_REPORTS in decision.facts for decision in decisions):
        return REPEATED
    return QUESTIONS.get(policy, OTHERWISE) if policy else NOT_JUDGED


def line_name(policy: str) -> str:
    return NAMES.get(policy, "threshold")


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
    column = MEAN if policy == "median_stopping" else BEST
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
    rows = trial.report_set.order_by("n")
    if trial.reports > MANY_POINTS:
        reports = _envelope(trial)
        rows = rows.filter(n__in=[n for n, _ in reports])
        bests = rows.values_list("n", "best_loss")
        return reports, [[n, _value(trial, loss)] for n, loss in bests]
    reports, best = [], []
    for n, value, best_loss in rows.values_list("n", "value", "best_loss"):
        reports.append([n, finite(value)])
        best.append([n, _value(trial, best_loss)])
    return reports, best


def _envelope(trial: Trial) -> Points:
    own = trial.report_set.all()
    envelopes = Envelopes(own, owner="trial", axis="n", span=trial.reports)
    return envelopes.curves().get(trial.pk, [])


def _value(trial: Trial, loss: float) -> float | None:
    """A loss in the metric's own sign."""
    if trial.sweep is None or not np.isfinite(loss):
        return None
    return trial.sweep.objective.value(loss)


def _rivals(
    trial: Trial, column: str, setters: Mapping[int, int], last: Sequence[Decision]
) -> list[Points]:
    if not trial.reports:
        return []
    known = _Known(trial, setters, last)
    reached = last[0].n if last else trial.reports
    kept = thinned(range(1, reached + 1), MAX_POINTS)
    drawn = _drawn_rivals(known, reached, setters)
    curves: dict[int, Points] = defaultdict(list)
    for pk, _, n, loss in known.rows(column, trial__in=drawn, n__in=kept):
        curves[pk].append([n, _value(trial, loss)])
    return list(curves.values())


class _Known:
    """The other trials' reports that the last verdict, if any, could know.

    A report that a resumed attempt took over has the time of that. What a verdict
    names was known to it, whatever the time.
    """

    def __init__(
        self, trial: Trial, setters: Mapping[int, int], last: Sequence[Decision]
    ) -> None:
        self._setters = setters
        self._until = last[0].created_at if last else None
        others = Report.objects.filter(sweep=trial.sweep_id).exclude(trial=trial)
        if self._until is not None:
            before = Q(time__lte=self._until)
            others = others.filter(before | Q(number__in=list(setters)))
        self._others = others

    def rows(self, column: str, **which: Any) -> Iterator[tuple[int, int, int, float]]:
        """(trial, its number, n, the column), by trial and n."""
        rows = self._others.filter(**which).order_by("number", "n")
        names = ("trial_id", "number", "n", column, "time")
        for pk, number, n, loss, time in rows.values_list(*names):
            by_time = self._until is None or time <= self._until
            if by_time or n <= self._setters.get(number, 0):
                yield pk, number, n, loss


def _drawn_rivals(known: _Known, reached: int, setters: Collection[int]) -> list[int]:
    """The trials to draw: those that set a threshold, then some of those that came as
    far, then some others."""
    furthest: dict[int, int] = {}
    first: dict[int, None] = {}
    for pk, number, n, _ in known.rows(BEST, n__in={1, reached}):
        furthest[pk] = n
        if number in setters:
            first[pk] = None
    as_far = [pk for pk, n in furthest.items() if n == reached]
    others = [pk for pk, n in furthest.items() if n != reached]
    spread = [*thinned(as_far, MAX_RIVALS), *thinned(others, MAX_RIVALS)]
    return list(dict.fromkeys([*list(first)[:MAX_RIVALS], *spread]))[:MAX_RIVALS]
