"""How long trials trained: the sum over their attempts, as each of them took a slot.

An attempt that never trained has no seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import F, FloatField, OuterRef, QuerySet, Subquery, Sum

from experiments.models import Attempt, Trial

# The same as trained(), for statements in SQL: of the trial `t`.
TRAINED = "(SELECT SUM(own.elapsed) FROM {attempt} own WHERE own.trial_id = t.id)"

# The columns that attempt_seconds() reads.
TIMES = (
    *("claimed_at", "ended_at", "elapsed", "heartbeat_at", "phase"),
    "runner_token_digest",
)


def trained() -> Subquery:
    """For queries of trials: the measured seconds of all attempts, or NULL."""
    return _sum(Attempt.objects.filter(trial=OuterRef("pk")))


def earlier() -> Subquery:
    """The same for the attempts before the current one."""
    attempts = Attempt.objects.filter(trial=OuterRef("pk"))
    return _sum(attempts.exclude(pk=OuterRef("current_attempt")))


def _sum(attempts: QuerySet[Attempt]) -> Subquery:
    sums = attempts.order_by().values("trial").annotate(total=Sum("elapsed"))
    return Subquery(sums.values("total"), output_field=FloatField())


def earlier_by_trial(trial_ids: Iterable[int]) -> Mapping[int, float]:
    """The seconds of the attempts before the current one, by trial, in one query."""
    attempts = Attempt.objects.filter(
        trial__in=list(trial_ids), elapsed__isnull=False
    ).exclude(trial__current_attempt=F("pk"))
    sums = attempts.order_by().values_list("trial").annotate(total=Sum("elapsed"))
    return dict(sums)


def attempt_seconds(attempt: Attempt | None, now: datetime) -> float | None:
    """How long the attempt has trained so far."""
    if attempt is None or attempt.claimed_at is None:
        return None
    # While the runner prepares, `elapsed` is not of this training yet.
    prepared = bool(attempt.phase) and attempt.ended_at is None
    if attempt.elapsed is None or prepared:
        return _between(attempt.claimed_at, attempt.ended_at or now)
    if attempt.ended_at is not None:
        return attempt.elapsed
    return attempt.elapsed + _since_heartbeat(attempt, now)


def _since_heartbeat(attempt: Attempt, now: datetime) -> float:
    """Seconds since the runner last measured, at most a lease: more comes from a clock
    that was changed."""
    since = _between(attempt.heartbeat_at or now, now)
    return min(since, settings.LEASE_SECONDS) if attempt.runner_token_digest else since


def _between(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())


def seconds_by_trial(
    trials: Sequence[Trial], now: datetime
) -> Mapping[int, float | None]:
    """How long each trial has trained so far, in one query; None before it began."""
    earlier = earlier_by_trial(trial.pk for trial in trials)
    return {
        trial.pk: _sum_of_known(
            earlier.get(trial.pk), attempt_seconds(trial.current_attempt, now)
        )
        for trial in trials
    }


def measured_seconds(trial: Trial, earlier: Mapping[int, float]) -> float | None:
    """How long the trial trained, as measured by runners. ``earlier`` comes from
    earlier_by_trial()."""
    attempt = trial.current_attempt
    return _sum_of_known(earlier.get(trial.pk), attempt.elapsed if attempt else None)


def _sum_of_known(earlier: float | None, current: float | None) -> float | None:
    """The sum of those that are known; None if none is."""
    known = [seconds for seconds in (earlier, current) if seconds is not None]
    return sum(known) if known else None
