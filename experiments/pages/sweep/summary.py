"""What the tiles of one sweep's page rest on: its trials in memory, and some queries of
which none grows with their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from django.db.models import Avg, Count, F, Q

from experiments.formatting import duration_text
from experiments.models import Attempt, Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import (
    TRIAL_ENDS,
    TRIAL_LIVE,
    AttemptState,
    TrialState,
)
from experiments.sweeps.progress import (
    Progress,
    combinations,
    compute_of_trials,
    planned_trials,
    share_of,
)
from experiments.sweeps.trial_arrays import Floats
from experiments.sweeps.trial_data import TrialData, scores, trial_data
from experiments.tracking.training_time import TIMES, attempt_seconds, trained

# Fewer ended trials than this say too little about how long the rest will take.
MIN_FOR_FORECAST = 3


@dataclass(frozen=True)
class SweepSummary:
    """One sweep now.

    ``best`` has ended; a failed sweep has none. ``leader``: the best running one while
    there is no best. ``ranked``: how many trials ``best`` was chosen from, with their
    ``median`` value. ``since_best``: how many trials ended after the best one.
    ``requested``: open trials that people requested. ``mean_time`` of ended trials and
    ``running_for`` of running ones are training times in seconds.
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

    # Read only where tiles are drawn: the feed draws them less often than rows.
    @cached_property
    def running_for(self) -> Sequence[float]:
        return _running_times([self.sweep.pk], self.now)[self.sweep.pk]

    @cached_property
    def requested(self) -> int:
        return _requested(self.sweep)

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
        return planned_trials(self.sweep, self.tried, self.combinations)

    @cached_property
    def bar(self) -> dict[str, int]:
        """Counts for the state bar: queued and untried trials together are left."""
        bar = {str(s): n for s, n in self.counts.items() if s != TrialState.QUEUED}
        return bar | {"left": self.to_come - bar[TrialState.RUNNING]}

    @cached_property
    def to_come(self) -> int:
        """Trials that have not ended, running ones included."""
        return self.planned - self.ended

    @cached_property
    def not_started(self) -> int:
        return max(0, self.to_come - self.live)

    @cached_property
    def ran_for(self) -> timedelta | None:
        """From start to end, or until now, without idle time."""
        return self.sweep.took(self.now)

    @cached_property
    def seconds_left(self) -> float | None:
        if self.sweep.state != SweepState.RUNNING or self.ended < MIN_FOR_FORECAST:
            return None
        return seconds_left(self.to_come, self.mean_time, self.running_for)


def seconds_left(
    to_come: int, mean_time: float | None, running_for: Sequence[float]
) -> float | None:
    """About how long the trials to come take, spread over the slots in use."""
    if mean_time is None or not to_come:
        return None
    rest = [max(0.0, mean_time - time) for time in running_for]
    waiting = to_come - len(rest)
    return max((sum(rest) + waiting * mean_time) / max(1, len(rest)), *rest, 0.0)


def forecast_text(seconds: float | None) -> str:
    """In tens of seconds, or in minutes; empty where it is not known."""
    if seconds is None:
        return ""
    step = 10 if seconds < 600 else 60
    text = duration_text(max(1, round(seconds / step)) * step)
    return text.removesuffix(" 00 s") if seconds >= 60 else text


def forecasts(to_come: Mapping[int, int], *, now: datetime) -> dict[int, str]:
    """How long each of many sweeps will take, by id, in two queries."""
    ended = Trial.objects.filter(sweep__in=to_come, state__in=TRIAL_ENDS).order_by()
    found = ended.values_list("sweep").annotate(n=Count("pk"), time=Avg(trained()))
    times = {pk: time for pk, n, time in found if n >= MIN_FOR_FORECAST}
    running = _running_times(list(to_come), now)
    return {
        pk: forecast_text(seconds_left(count, times.get(pk), running[pk]))
        for pk, count in to_come.items()
    }


def sweep_summary(
    sweep: Sweep, *, now: datetime, trials: TrialData | None = None
) -> SweepSummary:
    """``trials``: those that the request has read already."""
    trials = trial_data(sweep) if trials is None else trials
    score, has_ended = scores(sweep, trials), trials.are_in(TRIAL_ENDS)
    # At a tie the lower number first.
    places = np.argsort(score, kind="stable")[:2]
    places = places[np.isfinite(score[places])]
    first, second = _trials_at(sweep, trials, places.tolist())
    best_end = trials.ended[places[0]] if first else -np.inf
    counts = trials.counts
    return SweepSummary(
        sweep=sweep,
        now=now,
        progress=Progress(
            counts=counts,
            share=share_of(sweep, counts),
            best=first,
            compute=compute_of_trials(sweep, trials),
        ),
        combinations=combinations(sweep),
        runner_up=second,
        leader=None if first else _leader(sweep),
        ranked=int(np.isfinite(score).sum()),
        median=_mean(np.nanmedian, trials.value[np.isfinite(score)]),
        since_best=int((has_ended & ~(trials.ended <= best_end)).sum()),
        mean_time=_mean(np.nanmean, trials.took[has_ended]),
    )


def _trials_at(
    sweep: Sweep, trials: TrialData, places: Sequence[int]
) -> tuple[Trial | None, Trial | None]:
    ids = [int(trials.ids[place]) for place in places]
    rows = Trial.objects.in_bulk(ids)
    for trial in rows.values():
        trial.sweep = sweep
    found = [*(rows.get(pk) for pk in ids), None, None]
    return found[0], found[1]


def _mean(function: Callable[[Floats], Any], values: Floats) -> float | None:
    """The mean or median of those that are known; None if none is."""
    return float(function(values)) if np.isfinite(values).any() else None


def _requested(sweep: Sweep) -> int:
    """Requests that wait or run; an ended sweep runs none."""
    if sweep.has_ended:
        return 0
    open_ = Q(begun_at=None, withdrawn_at=None) | Q(trial__state__in=TRIAL_LIVE)
    return sweep.requests.filter(open_).count()


def _leader(sweep: Sweep) -> Trial | None:
    """The best of the running trials so far."""
    running = sweep.trials.live().filter(value__isnull=False)
    return running.best_first(sweep.goal).first()


def _running_times(ids: Sequence[int], now: datetime) -> Mapping[int, list[float]]:
    """How long each running trial has trained, by sweep."""
    running = Attempt.objects.filter(
        trial__sweep__in=ids, trial__current_attempt=F("pk"), state=AttemptState.RUNNING
    )
    times: dict[int, list[float]] = defaultdict(list)
    for attempt in running.annotate(sweep_id=F("trial__sweep")).only(*TIMES):
        times[attempt.sweep_id].append(attempt_seconds(attempt, now) or 0.0)
    return times
