"""Where one sweep stands: all that its four answer tiles say, in a dozen queries.

None of them grows with the number of trials: counts, sums and medians are the
database's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from statistics import fmean
from typing import Any

from django.db.models import Avg, Count, F, Q

from experiments.models import Attempt, Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import (
    TRIAL_ENDS,
    TRIAL_LIVE,
    TRIAL_RANKED,
    AttemptState,
    TrialState,
)
from experiments.sweeps.progress import Progress, progress_of
from experiments.tracking.spaces import search_space
from experiments.tracking.training_time import TIMES, attempt_seconds, trained

# Fewer ended trials than this say too little about how long the rest will take.
MIN_FOR_FORECAST = 3


@dataclass(frozen=True)
class SweepSummary:
    """One sweep now.

    ``best`` has ended, and a failed sweep has none; ``leader`` stands in while nothing
    has: the best of what runs. ``ranked`` counts the trials that ``best`` was chosen
    from, ``median`` is their median value, and ``since_best`` how many trials ended
    after the best one did. ``requested`` counts those to come that people asked for
    beside the sampler's. ``mean_time`` is the mean training time of ended trials and
    ``running_for`` the times of the running ones so far, all in seconds.
    """

    sweep: Sweep
    now: datetime
    progress: Progress
    combinations: int | None
    runner_up: Trial | None
    leader: Trial | None
    ranked: int
    median: float | None
    since_best: int
    mean_time: float | None
    running_for: Sequence[float]
    requested: int = 0

    @cached_property
    def best(self) -> Trial | None:
        return self.progress.best

    @cached_property
    def ended(self) -> int:
        return sum(n for state, n in self.counts.items() if state in TRIAL_ENDS)

    @cached_property
    def live(self) -> int:
        return sum(n for state, n in self.counts.items() if state in TRIAL_LIVE)

    @cached_property
    def counts(self) -> dict[str, int]:
        return dict(self.progress.counts)

    @cached_property
    def tried(self) -> int:
        return sum(self.counts.values())

    @cached_property
    def planned(self) -> int:
        """How many trials there will be: the budget, or the space where it is less."""
        if self.sweep.exhausted:
            return self.tried
        most = self.sweep.max_total_trials
        if self.combinations is not None:
            most = min(most, self.combinations)
        return max(most, self.tried)

    @cached_property
    def bar(self) -> dict[str, int]:
        """Counts for the state bar: queued and untried trials together are left."""
        bar = {str(s): n for s, n in self.counts.items() if s != TrialState.QUEUED}
        return bar | {"left": self.to_come - bar[TrialState.RUNNING]}

    @cached_property
    def to_come(self) -> int:
        """Trials that have not ended, those that run included."""
        return self.planned - self.ended

    @cached_property
    def ran_for(self) -> timedelta | None:
        """From start to end, or until now; without the time for which it lay still."""
        return self.sweep.took(self.now)

    @cached_property
    def seconds_left(self) -> float | None:
        """About how long the rest takes at the pace so far, spread over the slots."""
        unknown = self.mean_time is None or self.ended < MIN_FOR_FORECAST
        if self.sweep.state != SweepState.RUNNING or unknown or not self.to_come:
            return None
        took = self.mean_time or 0.0
        rest = [max(0.0, took - time) for time in self.running_for]
        waiting = self.to_come - len(rest)
        slots = max(1, len(rest))
        return max((sum(rest) + waiting * took) / slots, *rest, 0.0)


def sweep_summary(sweep: Sweep, *, now: datetime) -> SweepSummary:
    progress = progress_of([sweep])[sweep.pk]
    if sweep.state == SweepState.FAILED:
        # What a failed sweep cut off on its way is no answer.
        progress = replace(progress, best=None)
    best = progress.best
    ranked = sweep.trials.ranked(sweep.goal)
    facts = _facts(sweep, best)
    return SweepSummary(
        sweep=sweep,
        now=now,
        progress=progress,
        combinations=combinations(sweep),
        runner_up=ranked[1:2].first() if best else None,
        leader=None if best else _leader(sweep),
        ranked=facts["ranked"],
        median=_median(sweep, facts["ranked"]),
        since_best=facts["since"],
        mean_time=facts["mean_time"],
        running_for=_running_times(sweep, now),
        requested=_requested(sweep),
    )


def combinations(sweep: Sweep) -> int | None:
    """How many different configurations there are; None for infinitely many, or where
    their number is not known: also after the space was changed, as some trials are of
    another one."""
    if sweep.space_version > 1:
        return None
    space = search_space(sweep)
    return space.count() if len(space) else None


def _facts(sweep: Sweep, best: Trial | None) -> dict[str, Any]:
    later = best.ended_at if best else None
    ended = sweep.trials.filter(state__in=TRIAL_ENDS).annotate(seconds=trained())
    facts: dict[str, Any] = ended.aggregate(
        ranked=Count("pk", filter=Q(state__in=TRIAL_RANKED, value__isnull=False)),
        since=Count("pk", filter=Q(ended_at__gt=later)) if later else Count("pk"),
        mean_time=Avg("seconds"),
    )
    return facts


def _requested(sweep: Sweep) -> int:
    """Requests that wait or whose trial lives; an ended sweep carries out none."""
    if sweep.has_ended:
        return 0
    open_ = Q(begun_at=None, withdrawn_at=None) | Q(trial__state__in=TRIAL_LIVE)
    return sweep.requests.filter(open_).count()


def _leader(sweep: Sweep) -> Trial | None:
    """The best of the running trials so far."""
    running = sweep.trials.live().filter(value__isnull=False)
    return running.best_first(sweep.goal).first()


def _median(sweep: Sweep, count: int) -> float | None:
    """The median value, from the middle one or two rows."""
    if not count:
        return None
    values = sweep.trials.ranked(sweep.goal).values_list("value", flat=True)
    middle = values[(count - 1) // 2 : count // 2 + 1]
    return fmean(value for value in middle if value is not None)


def _running_times(sweep: Sweep, now: datetime) -> list[float]:
    running = Attempt.objects.filter(
        trial__sweep=sweep, trial__current_attempt=F("pk"), state=AttemptState.RUNNING
    )
    return [attempt_seconds(attempt, now) or 0.0 for attempt in running.only(*TIMES)]
