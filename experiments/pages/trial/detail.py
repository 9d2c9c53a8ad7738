"""All rows that one trial's page is made of, in a fixed number of queries.

How one trial stands among the others of its sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count, F, Max, Q, Sum
from django.utils import timezone

from experiments import storage
from experiments.models import Attempt, Decision, Event, Metric, Sweep, Trial
from experiments.models.trials import TRIAL_RANKED, Origin, TrialState
from experiments.pages.log_text import MAX_BYTES, LogLine, parse_log
from experiments.scheduling.waiting import Wait, wait_of
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


@dataclass(frozen=True)
class Ranking:
    """The field that a trial runs in.

    ``leaders``: the best trial and the next. ``rank`` of ``ranked``: the trial's place
    among the ended ones that have a value, itself included; None without a value.
    ``full_length``: reports of the longest completed trial; ``usual_time``: the median
    training time of completed trials, in seconds. ``alike``: how many other trials
    failed for the same reason.
    """

    leaders: Sequence[Trial]
    rank: int | None
    ranked: int
    full_length: int | None
    usual_time: float | None
    alike: int

    def is_best(self, trial: Trial) -> bool:
        return bool(self.leaders) and self.leaders[0].pk == trial.pk

    def rival_of(self, trial: Trial) -> Trial | None:
        """Whom to compare the trial with: the best, or the next for the best itself."""
        others = [leader for leader in self.leaders if leader.pk != trial.pk]
        return others[0] if others else None


UNRANKED = Ranking((), None, 0, None, None, 0)


def ranking_of(trial: Trial) -> Ranking:
    """Three queries, however many trials the sweep has."""
    sweep = trial.sweep
    if sweep is None:
        return UNRANKED
    counts = _counts(sweep, trial)
    has_value = trial.value is not None and trial.state != TrialState.FAILED
    return Ranking(
        leaders=list(
            sweep.trials.ranked(sweep.goal).select_related("current_attempt")[:2]
        ),
        rank=counts["ahead"] + 1 if has_value else None,
        ranked=counts["others"] + has_value,
        full_length=counts["full_length"],
        usual_time=usual_times([sweep.pk]).get(sweep.pk),
        alike=counts["alike"],
    )


def _counts(sweep: Sweep, trial: Trial) -> Mapping[str, int]:
    """Both numbers leave the trial itself out."""
    ranked = Q(state__in=TRIAL_RANKED, value__isnull=False)
    counts: Mapping[str, int] = sweep.trials.exclude(pk=trial.pk).aggregate(
        ahead=Count("pk", filter=ranked & _is_ahead(sweep, trial)),
        others=Count("pk", filter=ranked),
        full_length=Max("reports", filter=Q(state=TrialState.COMPLETED)),
        alike=Count("pk", filter=Q(state=TrialState.FAILED, reason=trial.reason)),
    )
    return counts


def _is_ahead(sweep: Sweep, trial: Trial) -> Q:
    if trial.value is None:
        return Q()
    better = "value__gt" if sweep.goal == "maximize" else "value__lt"
    tied_before = Q(value=trial.value, number__lt=trial.number)
    return Q(**{better: trial.value}) | tied_before


NO_OBJECTIVE = Objective("", "minimize")


class TrialDetail:
    """A trial with what belongs to it. Rows are read when they are first asked for."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.now: datetime = timezone.now()

    @property
    def attempt(self) -> Attempt | None:
        return self.trial.current_attempt

    @cached_property
    def attempts(self) -> Sequence[Attempt]:
        return list(self.trial.attempts.select_related("worker"))

    @cached_property
    def objective(self) -> Objective:
        return self.trial.sweep.objective if self.trial.sweep else NO_OBJECTIVE

    @cached_property
    def verdicts(self) -> VerdictSample:
        """Those on the current attempt."""
        return verdict_sample(self.attempt, self.objective)

    @property
    def decisions(self) -> Sequence[Decision]:
        return self.verdicts.decisions

    @cached_property
    def checks(self) -> Checks:
        return checks_of(self.decisions, self.objective, passed=self.verdicts.passed)

    @cached_property
    def policy(self) -> Policy | None:
        """The policy that judged the trial last, else the sweep's present one."""
        sweep, last = self.trial.sweep, self.checks.last
        if sweep is None or self.trial.runs_to_end:
            return None
        settings = last.settings if last else sweep.early_termination
        try:
            return make_policy(settings, self.objective)
        except DefinitionError:
            return None

    @property
    def policy_kind(self) -> str:
        if self.checks.last is not None:
            return self.checks.last.policy
        return self.policy.kind if self.policy else ""

    @property
    def first_check(self) -> int:
        """The report at which the policy looked first, or where it has not, will look
        next; one after the last where it will not; 1 without a policy."""
        if self.decisions:
            return self.decisions[0].n
        if self.policy is None:
            return 1
        return self.next_check or self.trial.reports + 1

    @property
    def next_check(self) -> int | None:
        """The report at which the policy will look next; None where it will not."""
        last = self.decisions[-1].n if self.decisions else 0
        # Verdicts are read after the trial, which may have reported in between.
        seen = max(self.trial.reports, last)
        return self.policy.next_check(seen) if self.policy else None

    @property
    def is_early(self) -> bool:
        """Whether the policy's settings alone tell why it looks no sooner."""
        return self.policy is not None and self.first_check == self.policy.next_check(0)

    @cached_property
    def resumed_attempt(self) -> Attempt | None:
        """The attempt from whose files the current one goes on, while that has not
        reported: it is not known yet how many of its reports count on."""
        attempt = self.attempt
        if attempt is None or self.trial.reports or self.trial.has_ended:
            return None
        return next((a for a in self.attempts if a.n == attempt.resumed_from), None)

    @cached_property
    def shown_attempt(self) -> Attempt | None:
        """The attempt whose log, metrics and files are there to see: the current one,
        or the last before it that ran, while it has not begun."""
        current = self.attempt
        if current is None or current.claimed_at is not None:
            return current
        ran = (a for a in reversed(self.attempts) if a.claimed_at is not None)
        return next(ran, current)

    @cached_property
    def ranking(self) -> Ranking:
        return ranking_of(self.trial)

    @cached_property
    def elapsed(self) -> float | None:
        """Seconds of training in all its attempts."""
        return seconds_by_trial([self.trial], self.now)[self.trial.pk]

    @property
    def saved(self) -> float | None:
        return saved_by(self.trial, self.elapsed, self.ranking.usual_time)

    @cached_property
    def setter_urls(self) -> Mapping[int, str]:
        """Pages of the trials that set the last threshold, by number."""
        last = self.checks.ended or self.checks.last
        numbers = last.setters if last else []
        rows = Trial.objects.filter(sweep=self.trial.sweep_id, number__in=numbers)
        return {trial.number: trial.get_absolute_url() for trial in rows}

    @cached_property
    def whole_rerun(self) -> Trial | None:
        """The trial that ran its values again, to the end."""
        sweep = self.trial.sweep
        if sweep is None:
            return None
        return sweep.trials.filter(
            origin=Origin.RERUN, source_number=self.trial.number, runs_to_end=True
        ).first()

    @cached_property
    def metrics(self) -> Sequence[Metric]:
        """The series of the attempt that is shown, by name."""
        return list(Metric.objects.filter(attempt=self.shown_attempt).order_by("name"))

    @property
    def other_metrics(self) -> Sequence[Metric]:
        primary = self.objective.primary_metric
        return [metric for metric in self.metrics if metric.name != primary]

    @cached_property
    def log(self) -> Sequence[LogLine]:
        if self.shown_attempt is None or not self.shown_attempt.log_bytes:
            return ()
        return parse_log(storage.read_log(self.shown_attempt.pk, last=MAX_BYTES))

    @cached_property
    def cancel_event(self) -> Event | None:
        """Who cancelled the trial, or the sweep that it went down with."""
        own = Event.objects.filter(trial=self.trial, verb="trial cancelled")
        of_sweep = Event.objects.filter(
            sweep=self.trial.sweep, verb="sweep cancelled", trial=None
        )
        events = (own | of_sweep) if self.trial.sweep else own
        own_first = F("trial").desc(nulls_last=True)
        return events.select_related("actor").order_by(own_first, "-pk").first()

    @cached_property
    def wait(self) -> Wait | None:
        """Why the trial waits for a slot; None when it does not."""
        if self.attempt is None or self.trial.sweep is None:
            return None
        return wait_of(self.attempt, teams={self.trial.experiment.team_id})

    @property
    def mark(self) -> str:
        """Changes whenever the page would show something else."""
        trial, attempt = self.trial, self.attempt
        points = Metric.objects.filter(attempt=attempt).aggregate(n=Sum("count"))["n"]
        parts = [trial.updated_at.timestamp(), points or 0]
        if attempt is not None:
            parts += [attempt.pk, attempt.log_chunks, bool(attempt.stop_requested_at)]
        if not trial.has_ended:
            # What a live trial took, and who is busy, changes without its rows.
            parts.append(int(self.now.timestamp()) // 5)
        return "-".join(str(part) for part in parts)


def neighbours(trial: Trial) -> tuple[Trial | None, Trial | None]:
    """The trials before and after it by number, of the same sweep."""
    same = Trial.objects.filter(experiment=trial.experiment_id, sweep=trial.sweep_id)
    before = same.filter(number__lt=trial.number).order_by("-number").first()
    after = same.filter(number__gt=trial.number).order_by("number").first()
    return before, after
