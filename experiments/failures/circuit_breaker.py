"""Stops a sweep whose trials all fail with one error, or drains the host.

It fails a sweep whose first trials fail within seconds, pauses one whose trials worked
before, and drains a host if trials work elsewhere. Where the failed trials share values
the search continues: samplers learn such a region. Until one trial has worked, only a
few run at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from django.db.models import Exists, OuterRef, Q

from experiments import lifecycle
from experiments.failures import preflight
from experiments.failures.auto_drain import drain_host, host_to_drain
from experiments.failures.common_values import HAS_RUN, MAX_COMPARED, shared_values
from experiments.failures.recent_attempts import (
    PROVEN_AFTER,
    RecentAttempt,
    failure_streak,
    recent_attempts,
)
from experiments.models import Sweep, Trial
from experiments.models.trials import TRIAL_LIVE, TrialQuerySet, TrialState

# Trials at a time until one has reported or trained for PROVEN_AFTER seconds.
MAX_UNPROVEN = 4
# A failure within this many seconds is a fast one.
FAST = 30.0
# Fast equal failures that fail a sweep in which no trial has worked; fewer are enough
# if the error does not depend on the values.
MIN_ALIKE, MIN_ALIKE_ALWAYS = 5, 3
# Equal failures in a row that pause a sweep, unless they are likely by chance; from
# MAX_STREAK on even if they share values.
MIN_STREAK, MAX_STREAK = 5, 30
MAX_CHANCE = 0.001
BAD_START, SAME_FAILURE = "first_trials_failed", "same_failure"

# A decision to carry out; True: no trial may start now.
Move = Callable[[], bool]


def max_live_trials(sweeps: Collection[Sweep]) -> dict[int, int]:
    """By sweep id: how many trials may be live at a time now. One query."""
    limits = {sweep.pk: sweep.max_concurrent_trials for sweep in sweeps}
    limits |= {sweep.pk: 1 for sweep in sweeps if preflight.is_running(sweep)}
    wide = [pk for pk, most in limits.items() if most > MAX_UNPROVEN]
    if wide:
        unproven = Sweep.objects.filter(~Exists(_proven()), pk__in=wide)
        limits |= dict.fromkeys(unproven.values_list("pk", flat=True), MAX_UNPROVEN)
    return limits


def _proven() -> TrialQuerySet:
    """The outer sweep's trials that have reported, completed or trained long enough."""
    proven = HAS_RUN | Q(current_attempt__elapsed__gte=PROVEN_AFTER)
    return Trial.objects.own().filter(proven, sweep=OuterRef("pk"))


def tripped(sweep: Sweep, counts: Mapping[str, int]) -> Move | None:
    """What to do if the sweep's trials all fail with one error. None: nothing.

    It only reads, so that it can be called again once the sweep is locked.
    """
    if not counts[TrialState.FAILED] and not sweep.on_failure:
        return None
    recent = recent_attempts(sweep)
    if not any(end.failed for end in recent):
        return None
    host = host_to_drain(recent)
    if host is not None:
        return partial(_drain_host, sweep, host)
    return _bad_start(sweep, recent) or _same_failure(sweep, recent)


def _drain_host(sweep: Sweep, host: Sequence[RecentAttempt]) -> bool:
    drain_host(sweep, host)
    return False


def _place_nothing() -> bool:
    return True


# --- the first trials fail ----------------------------------------------------------


def _bad_start(sweep: Sweep, recent: Sequence[RecentAttempt]) -> Move | None:
    fast = [end for end in recent if end.failed and end.elapsed < FAST]
    alike = _most_alike(fast)
    if not alike or any(end.worked for end in recent) or _has_worked(sweep):
        return None
    if len(alike) >= MIN_ALIKE_ALWAYS and _others_may_work(alike, recent):
        return _place_nothing
    known = alike[0].known_error
    if len(alike) < (MIN_ALIKE_ALWAYS if known and known.always else MIN_ALIKE):
        return None
    message = (
        f"{len(alike)} trials have failed with the same error within seconds of their"
        f" start and none has worked, so no more were started. {_error_text(alike[0])}"
    )
    return partial(lifecycle.fail_sweep, sweep, reason=BAD_START, message=message)


def _most_alike(ends: Sequence[RecentAttempt]) -> list[RecentAttempt]:
    """The largest group of failures with one signature."""
    counts = Counter(end.signature for end in ends if end.failed)
    if not counts:
        return []
    signature = counts.most_common(1)[0][0]
    return [end for end in ends if end.signature == signature]


def _has_worked(sweep: Sweep) -> bool:
    return sweep.trials.own().filter(HAS_RUN).exists()


def _others_may_work(
    alike: Sequence[RecentAttempt], recent: Sequence[RecentAttempt]
) -> bool:
    """Whether all failed on one host, and a trial has just started on another."""
    hosts = {end.host for end in alike}
    return len(hosts) == 1 and any(e.live and e.host not in hosts for e in recent)


def _error_text(end: RecentAttempt) -> str:
    known = end.known_error
    likely = f" Likely cause: {known.cause}. {known.advice}" if known else ""
    return f"The error of trial {end.number}: {end.error.rstrip('.')}.{likely}"


# --- trials that worked before fail -------------------------------------------------


def _same_failure(sweep: Sweep, recent: Sequence[RecentAttempt]) -> Move | None:
    """The newest trials have all failed with one error, although others worked."""
    run = failure_streak(recent)
    if len(run) < MIN_STREAK or not _is_unlikely(sweep, run):
        return None
    if len(run) < MAX_STREAK and _is_region(sweep, run):
        return None
    message = (
        f"Paused: the last {len(run)} trials all failed with the same error, although"
        f" others had worked before. {_error_text(run[0])} Resume it to start new"
        " trials."
    )
    return partial(lifecycle.pause_sweep, sweep, reason=SAME_FAILURE, message=message)


def _is_unlikely(sweep: Sweep, run: Sequence[RecentAttempt]) -> bool:
    """Whether the streak is unlikely, given how many trials failed before."""
    before = sweep.trials.own().filter(number__lt=min(end.number for end in run))
    ended = before.exclude(state__in=TRIAL_LIVE)
    worked = ended.exclude(state=TrialState.FAILED).count()
    alike = before.filter(current_attempt__signature=run[0].signature).count()
    if not worked:
        return False
    share = (alike + 0.5) / (alike + worked + 1)
    return bool(share ** len(run) < MAX_CHANCE)


def _is_region(sweep: Sweep, run: Sequence[RecentAttempt]) -> bool:
    """Whether values that other trials do not have explain the failures."""
    failed, ran = _compared_params(sweep, run[0].signature)
    return any(shared.is_significant for shared in shared_values(failed, ran))


def _compared_params(
    sweep: Sweep, signature: str
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The newest configurations that failed with the error, and those that ran."""
    own = sweep.trials.own().order_by("-number")
    failed = own.filter(
        state=TrialState.FAILED, current_attempt__signature=signature
    ).values_list("params", flat=True)
    ran = own.filter(HAS_RUN).exclude(state=TrialState.FAILED)
    newest = ran.values_list("params", flat=True)[:MAX_COMPARED]
    return list(failed[:MAX_COMPARED]), list(newest)
