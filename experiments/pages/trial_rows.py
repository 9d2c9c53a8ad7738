"""Trials as tables and charts show them, in a fixed number of queries; and where their
values come from, in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypedDict, TypeVar

import numpy as np
from django.db.models import OuterRef, Subquery
from django.urls import reverse

from experiments import lifecycle
from experiments.formatting import distinct_texts, metric_text
from experiments.models import Decision, Sweep, Trial, TrialRequest
from experiments.models.sweeps import SweepState
from experiments.models.trials import Origin, TrialState
from experiments.pages.curves import Points, drawn, finite
from experiments.pages.failures import out_of_time
from experiments.pages.simulator.policy_words import kind_name
from experiments.pages.trial.verdicts import chance_text
from experiments.search.termination import Policy, make_policy
from experiments.search.termination.evidence import without_marks
from experiments.search.termination.predictive_halving import RECORD
from experiments.tracking import codec, excerpts
from experiments.tracking.spaces import flat_configurations, search_space
from experiments.tracking.training_time import seconds_by_trial
from experiments.tracking.verdicts import CHANCE, REQUIRED

WORDS: Mapping[str, str] = {
    Origin.RANDOM: "Drawn at random",
    Origin.GRID: "The next point of the grid",
    Origin.SOBOL: "The next point of a Sobol sequence",
    Origin.INITIAL_DESIGN: (
        "Initial design: covers the space before there are results"
    ),
    Origin.MODEL: "Chosen by the model: the most promising given the results so far",
    Origin.EXPLORATION: "Exploration: chosen to learn about the space",
    Origin.CENTRE: "The center of the space",
    Origin.IMPORTED: "Imported: it ran before this sweep",
    Origin.RERUN: "Trial {} run again, with the same values",
    Origin.RETRY: "Trial {} retried, with the same values",
    Origin.CLONE: "A clone of trial {} with other values",
    Origin.REPLACEMENT: "In place of trial {}, which was deleted",
    Origin.BY_HAND: "Added by hand",
}


def origin_words(trial: Trial | TrialRequest) -> str:
    """A phrase with a capital letter; empty where the origin is not known."""
    origin: str = trial.origin
    words = WORDS.get(origin, "").format(trial.source_number)
    end = " and without early termination" if trial.runs_to_end else ""
    return f"{words}{end}" if words else origin[:1].upper() + origin[1:]


T = TypeVar("T")
# More points than a chart can show.
MAX_CURVE_POINTS = 150


class TrialRow(TypedDict):
    """One trial. ``curve``: [report, value], with null for a non-finite value."""

    id: int
    number: int
    url: str
    state: str
    best: bool
    value: float | None
    reports: int
    origin: str
    params: dict[str, Any]
    curve: Points
    elapsed: float | None
    status: str


def trial_rows(
    sweep: Sweep,
    trials: Iterable[Trial],
    *,
    now: datetime,
    best_id: int | None,
    of: int | None = None,
    most_points: int = MAX_CURVE_POINTS,
    curves: Mapping[int, Points] = MappingProxyType({}),
) -> list[TrialRow]:
    """Rows in the order of ``trials`` (with their current attempts selected).

    ``of``: how many trials the sweep has, for the sentence about the best one.
    ``most_points`` limits each curve that is read; those in ``curves`` are not.
    """
    listed = list(trials)
    ids = [trial.pk for trial in listed]
    unread = [pk for pk in ids if pk not in curves]
    if unread:
        curves = {**curves, **report_curves(unread, most=most_points)}
    decisions = last_decisions(ids)
    seconds = seconds_by_trial(listed, now)
    params = flat_configurations(search_space(sweep), [t.params for t in listed])
    policy = make_policy(sweep.early_termination, sweep.objective)
    return [
        TrialRow(
            id=trial.pk,
            number=trial.number,
            url=reverse("trial_detail", args=(trial.pk,)),
            state=trial.state,
            best=trial.pk == best_id,
            value=trial.value,
            reports=trial.reports,
            origin=origin_words(trial),
            params=flat,
            curve=curves.get(trial.pk, []),
            elapsed=seconds[trial.pk],
            status=status_sentence(
                trial,
                decision=decisions.get(trial.pk),
                policy=policy,
                is_best=trial.pk == best_id,
                of=of,
            ),
        )
        for trial, flat in zip(listed, params, strict=True)
    ]


def report_curves(
    trial_ids: Sequence[int], *, most: int = MAX_CURVE_POINTS, wide: bool = False
) -> dict[int, Points]:
    """Primary-metric curves by trial, thinned to what a chart can show; if `wide`, with
    the step and the seconds of each report.
    """
    trials = Trial.objects.filter(pk__in=trial_ids)
    found = excerpts.reports(trials, excerpts.spread(most))
    thin = {pk: each.thinned(most) for pk, each in found.items()}
    if not wide:
        return {pk: drawn(e.places + 1, e.points["value"]) for pk, e in thin.items()}
    claimed = dict(trials.values_list("pk", "current_attempt__claimed_at"))
    return {pk: _wide_curve(each, claimed[pk]) for pk, each in thin.items()}


def _wide_curve(excerpt: excerpts.Excerpt, started: datetime | None) -> Points:
    points = excerpt.points
    values: list[float | None] = points["value"].tolist()
    if not np.isfinite(points["value"]).all():
        values = list(map(finite, points["value"].tolist()))
    seconds: list[float | None] = [None] * len(values)
    if started is not None:
        since = (points["arrived"] - codec.microseconds(started)) / 1e6
        seconds = np.round(np.maximum(0.0, since), 1).tolist()
    columns = (excerpt.places + 1).tolist(), values, points["step"].tolist(), seconds
    return list(map(list, zip(*columns, strict=True)))


def thinned(curve: Sequence[T], most: int = MAX_CURVE_POINTS) -> list[T]:
    """At most ``most`` points: evenly spread, with both ends."""
    if len(curve) <= most:
        return list(curve)
    kept = np.linspace(0, len(curve) - 1, most).round().astype(int)
    return [curve[index] for index in kept]


def last_decisions(trial_ids: Sequence[int]) -> Mapping[int, Decision]:
    """The policy's last verdict on each trial."""
    # A window over all decisions takes three times as long.
    newest = Decision.objects.filter(trial=OuterRef("pk")).order_by("-attempt", "-n")
    trials = Trial.objects.filter(pk__in=trial_ids).order_by()
    last = trials.values(last=Subquery(newest.values("pk")[:1]))
    return {each.trial_id: each for each in Decision.objects.filter(pk__in=last)}


# Policies that do not compare a trial's best with one number of its rivals.
NOT_COMPARING = frozenset({"threshold", "patience", "predictive", "any_of", "all_of"})


def status_sentence(
    trial: Trial,
    *,
    decision: Decision | None,
    policy: Policy | None,
    is_best: bool,
    of: int | None = None,
) -> str:
    """The trial's progress, or how it ended, in one short sentence."""
    sentence = _status(trial, decision, policy)
    if not is_best:
        return sentence
    rank = f"best of {of}" if of is not None and of > 1 else "the best so far"
    return f"{sentence.rstrip('.')}; {rank}"


def _status(trial: Trial, decision: Decision | None, policy: Policy | None) -> str:
    if trial.origin == Origin.IMPORTED:
        return "Imported"
    if trial.state == TrialState.TERMINATED and decision is not None:
        several = decision.policy in ("any_of", "all_of")
        name = "Ended" if several else kind_name(decision.policy)
        return f"{name} at report {decision.n}: {_fell_short(decision)}"
    if trial.state == TrialState.COMPLETED:
        whole = not lifecycle.is_incomplete(trial)
        return "Ran to the end" if whole else "Ended; results are missing"
    if trial.has_ended and trial.reason == "trial_timeout":
        return f"Ran out of its {out_of_time(trial.sweep)}"
    if trial.has_ended:
        return trial.message[:1].upper() + trial.message[1:]
    if trial.is_stopping:
        return f"Asked to stop: {trial.stop_message}"
    if trial.state == TrialState.QUEUED:
        return _waiting_sentence(trial)
    return _running_sentence(trial, decision, policy)


def _waiting_sentence(trial: Trial) -> str:
    paused = trial.sweep is not None and trial.sweep.state == SweepState.PAUSED
    until = "until the sweep resumes" if paused else "for a free slot"
    attempt = trial.current_attempt
    if attempt is None or attempt.n == 1:
        return f"Waiting {until}"
    return f"Stopped after attempt {attempt.n - 1}, waiting {until}"


def _running_sentence(
    trial: Trial, decision: Decision | None, policy: Policy | None
) -> str:
    if decision is not None:
        return f"Kept at report {decision.n}: {_compared(decision, 'against')}"
    if not trial.reports:
        phase = trial.current_attempt.phase if trial.current_attempt else ""
        return phase[:1].upper() + phase[1:] or "Started, no report yet"
    if policy is None:
        reports = "1 report" if trial.reports == 1 else f"{trial.reports} reports"
        return f"Running, {reports}"
    coming = policy.next_check(trial.reports)
    return f"First check at report {coming}" if coming else "Past the last check"


def _fell_short(decision: Decision) -> str:
    """``0.553 was below 0.679``, or above where less is better."""
    value, threshold = decision.value, decision.threshold
    if value is None or threshold is None or value == threshold:
        return _compared(decision, "against")
    side = "below" if value < threshold else "above"
    return _compared(decision, f"was {side}")


def _compared(decision: Decision, word: str) -> str:
    """The trial's best and the policy's threshold, with distinct digits; or what else
    the policy decides by."""
    value, threshold = decision.value, decision.threshold
    if CHANCE in decision.facts:
        chance, required = (chance_text(decision.facts[f]) for f in (CHANCE, REQUIRED))
        return f"a chance of {chance} to become the best, {required} required"
    if decision.policy in NOT_COMPARING or RECORD in decision.facts:
        return without_marks(decision.clause) or decision.reason
    if threshold is None:
        return "nothing to compare with yet"
    if value is None:
        return f"no value {word} {metric_text(threshold, 3)}"
    own, other = distinct_texts(value, threshold, digits=3)
    return f"{own} {word} {other}"
