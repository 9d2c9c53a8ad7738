"""What one trial's page rests on, read in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Max, Q, Sum
from django.utils import timezone

from experiments import storage
from experiments.lifecycle import CANCELLED_ALONE, CANCELLED_SOME, POLICY
from experiments.models import Attempt, Decision, Event, Metric, Sweep, Trial
from experiments.models.trials import IS_RANKED, Origin, TrialState
from experiments.pages.log_text import MAX_BYTES, LogLine, parse_log
from experiments.scheduling.wait_reasons import WaitReason
from experiments.scheduling.waiting import wait_of
from experiments.search.fields import DefinitionError
from experiments.search.records import Objective
from experiments.search.termination import Policy, make_policy
from experiments.sweeps.progress import saved_by, usual_times
from experiments.tracking.training_time import seconds_by_trial
from experiments.tracking.verdicts import (
    Checks,
    VerdictSample,
    checks_of,
    verdict_sample,
)

NO_OBJECTIVE = Objective("", "minimize")


@dataclass(frozen=True)
class Ranking:
    """A trial among the others of its sweep.

    ``leaders``: the best trial and the next. ``rank`` of ``ranked``: its place among
    ended trials with a value; None without a value. ``full_length``: reports of the
    longest completed trial; ``usual_time``: the median training time of completed
    trials. ``alike``: how many other trials failed for the same reason, with the
    same error where that is known.
    """

    leaders: Sequence[Trial] = ()
    rank: int | None = None
    ranked: int = 0
    full_length: int | None = None
    usual_time: float | None = None
    alike: int = 0

    def is_best(self, trial: Trial) -> bool:
        return bool(self.leaders) and self.leaders[0].pk == trial.pk

    def rival_of(self, trial: Trial) -> Trial | None:
        """The trial to compare it with: the best, or the next for the best itself."""
        return next((each for each in self.leaders if each.pk != trial.pk), None)


def ranking_of(trial: Trial) -> Ranking:
    """Three queries, however many trials the sweep has."""
    sweep = trial.sweep
    if sweep is None:
        return Ranking()
    counts = _counts(sweep, trial)
    has_value = trial.value is not None and trial.state != TrialState.FAILED
    leaders = sweep.trials.ranked(sweep.goal).select_related("current_attempt")
    return Ranking(
        leaders=list(leaders[:2]),
        rank=counts["ahead"] + 1 if has_value else None,
        ranked=counts["others"] + has_value,
        full_length=counts["full_length"],
        usual_time=usual_times([sweep.pk]).get(sweep.pk),
        alike=counts["alike"],
    )


def _counts(sweep: Sweep, trial: Trial) -> Mapping[str, int]:
    """Of the other trials."""
    ranked = IS_RANKED
    alike = Q(state=TrialState.FAILED, reason=trial.reason)
    if trial.current_attempt is not None and trial.current_attempt.signature:
        alike &= Q(current_attempt__signature=trial.current_attempt.signature)
    counts: Mapping[str, int] = sweep.trials.exclude(pk=trial.pk).aggregate(
        ahead=Count("pk", filter=ranked & _is_ahead(sweep, trial)),
        others=Count("pk", filter=ranked),
        full_length=Max("reports", filter=Q(state=TrialState.COMPLETED)),
        alike=Count("pk", filter=alike),
    )
    return counts


def _is_ahead(sweep: Sweep, trial: Trial) -> Q:
    if trial.value is None:
        return Q()
    better = "value__gt" if sweep.goal == "maximize" else "value__lt"
    tied_before = Q(value=trial.value, number__lt=trial.number)
    return Q(**{better: trial.value}) | tied_before


@dataclass(frozen=True)
class TrialDetail:
    """A trial with what belongs to it.

    ``shown_attempt`` is the one whose log, metrics and files are shown: the current
    one, or the last one that ran while the current one waits. ``resumed_attempt`` is
    the one whose files the current attempt uses, until that has reported.
    ``verdicts`` are those on the current attempt. ``policy``: the one that judged the
    trial last, else the sweep's present one. ``elapsed``: seconds of training in all
    attempts. ``setter_urls``: pages of the trials that set the last threshold, by
    number. ``whole_rerun``: the trial that ran the same values again, to the end.
    ``failure_log``: the end of a failed trial's log. ``wait``: why a queued trial waits
    for a slot.
    """

    trial: Trial
    now: datetime
    objective: Objective
    attempts: Sequence[Attempt]
    shown_attempt: Attempt | None
    resumed_attempt: Attempt | None
    verdicts: VerdictSample
    checks: Checks
    policy: Policy | None
    ranking: Ranking
    elapsed: float | None
    setter_urls: Mapping[int, str]
    whole_rerun: Trial | None
    metrics: Sequence[Metric]
    failure_log: Sequence[LogLine]
    cancel_event: Event | None
    wait: WaitReason | None

    @property
    def attempt(self) -> Attempt | None:
        return self.trial.current_attempt

    @property
    def decisions(self) -> Sequence[Decision]:
        return self.verdicts.decisions

    @property
    def policy_kind(self) -> str:
        if self.checks.last is not None:
            return self.checks.last.policy
        return self.policy.kind if self.policy else ""

    @property
    def next_check(self) -> int | None:
        """The report at which the policy checks next; None where it does not."""
        last = self.decisions[-1].n if self.decisions else 0
        # Verdicts are read after the trial, which may have reported in between.
        seen = max(self.trial.reports, last)
        return self.policy.next_check(seen) if self.policy else None

    @property
    def first_check(self) -> int:
        """The report of the first check, or of the next where there was none. Without
        a policy 1; where no check follows, one after the last report."""
        if self.decisions:
            return self.decisions[0].n
        if self.policy is None:
            return 1
        return self.next_check or self.trial.reports + 1

    @property
    def is_early(self) -> bool:
        """Whether the policy's settings alone explain the report of the first check."""
        return self.policy is not None and self.first_check == self.policy.next_check(0)

    @property
    def saved(self) -> float | None:
        return saved_by(self.trial, self.elapsed, self.ranking.usual_time)

    @property
    def other_metrics(self) -> Sequence[Metric]:
        primary = self.objective.primary_metric
        return [metric for metric in self.metrics if metric.name != primary]


def detail_of(trial: Trial) -> TrialDetail:
    now, attempt, sweep = timezone.now(), trial.current_attempt, trial.sweep
    objective = sweep.objective if sweep else NO_OBJECTIVE
    attempts = list(trial.attempts.select_related("worker"))
    verdicts = verdict_sample(attempt, objective)
    checks = checks_of(verdicts.decisions, objective, passed=verdicts.passed)
    shown = shown_attempt(trial)
    return TrialDetail(
        trial=trial,
        now=now,
        objective=objective,
        attempts=attempts,
        shown_attempt=shown,
        resumed_attempt=_resumed_attempt(trial, attempts),
        verdicts=verdicts,
        checks=checks,
        policy=_policy(trial, objective, checks.last),
        ranking=ranking_of(trial),
        elapsed=seconds_by_trial([trial], now)[trial.pk],
        setter_urls=_setter_urls(trial, checks.ended or checks.last),
        whole_rerun=_whole_rerun(trial) if trial.reason == POLICY else None,
        metrics=list(
            Metric.objects.of_training().filter(attempt=shown).order_by("name")
        ),
        failure_log=_failure_log(trial, shown),
        cancel_event=_cancel_event(trial) if trial.state == "cancelled" else None,
        wait=_wait(trial) if trial.state == TrialState.QUEUED else None,
    )


def _failure_log(trial: Trial, attempt: Attempt | None) -> Sequence[LogLine]:
    if trial.state != TrialState.FAILED:
        return ()
    return parse_log(storage.visible_log(attempt, last=MAX_BYTES))


def shown_attempt(trial: Trial) -> Attempt | None:
    """The current attempt, or the last one that ran while the current one waits."""
    current = trial.current_attempt
    if current is None or current.claimed_at is not None:
        return current
    ran = trial.attempts.filter(claimed_at__isnull=False).order_by("-n")
    return ran.first() or current


def _resumed_attempt(trial: Trial, attempts: Sequence[Attempt]) -> Attempt | None:
    attempt = trial.current_attempt
    if attempt is None or trial.reports or trial.has_ended:
        return None
    return next((each for each in attempts if each.n == attempt.resumed_from), None)


def _policy(trial: Trial, objective: Objective, last: Decision | None) -> Policy | None:
    if trial.sweep is None or trial.runs_to_end:
        return None
    settings = last.settings if last else trial.sweep.early_termination
    try:
        return make_policy(settings, objective)
    except DefinitionError:
        return None


def _setter_urls(trial: Trial, last: Decision | None) -> Mapping[int, str]:
    numbers = last.setters if last else []
    setters = Trial.objects.filter(sweep=trial.sweep_id, number__in=numbers)
    return {setter.number: setter.get_absolute_url() for setter in setters}


def _whole_rerun(trial: Trial) -> Trial | None:
    if trial.sweep is None:
        return None
    reruns = trial.sweep.trials.filter(origin=Origin.RERUN, runs_to_end=True)
    return reruns.filter(source_number=trial.number).first()


def _cancel_event(trial: Trial) -> Event | None:
    """The event of the trial, else of several trials, else of its sweep."""
    events = Event.objects.filter(trial=trial, verb=CANCELLED_ALONE)
    if trial.sweep is not None:
        verbs = (CANCELLED_SOME, "sweep cancelled")
        events |= trial.sweep.events.filter(verb__in=verbs, trial=None)
    own_first = F("trial").desc(nulls_last=True)
    for event in events.select_related("actor").order_by(own_first, "-verb", "-pk"):
        if event.verb != CANCELLED_SOME or trial.number in event.data["trials"]:
            return event
    return None


def _wait(trial: Trial) -> WaitReason | None:
    attempt, sweep = trial.current_attempt, trial.sweep
    if attempt is None or sweep is None or not sweep.launches:
        return None
    return wait_of(attempt, teams={trial.experiment.team_id})


def mark_of(trial: Trial) -> str:
    """Changes whenever the page would look different."""
    attempt = trial.current_attempt
    points = Metric.objects.filter(attempt=attempt).aggregate(n=Sum("count"))["n"]
    parts = [trial.updated_at.timestamp(), points or 0]
    if attempt is not None:
        parts += [attempt.pk, attempt.log_chunks, bool(attempt.stop_requested_at)]
    if not trial.has_ended:
        # A live trial's time, and who uses the slots, change without its rows.
        parts.append(int(timezone.now().timestamp()) // 5)
    return "-".join(str(part) for part in parts)


def neighbors(trial: Trial) -> tuple[Trial | None, Trial | None]:
    """The trials before and after it by number, of the same sweep."""
    same = Trial.objects.filter(experiment=trial.experiment_id, sweep=trial.sweep_id)
    before = same.filter(number__lt=trial.number).order_by("-number").first()
    after = same.filter(number__gt=trial.number).order_by("number").first()
    return before, after
