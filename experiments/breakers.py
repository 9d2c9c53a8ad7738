"""Stops a sweep whose trials all fail of one thing, and the host that is to blame.

A bad start: nothing has worked and a handful failed alike within seconds. A bad turn:
trials worked before, and now every one fails alike. A bad host: they fail on one host
only. Where failures have values in common, it is the space, and the search goes on:
samplers learn such a region.

Until one trial has proven itself, only a few are placed at a time, so that a command
that does not exist costs a handful of trials at any width.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q

from experiments import lifecycle, preflight
from experiments.causes import Cause, likely_cause
from experiments.clock import database_now
from experiments.models import Attempt, Sweep, Trial, Worker
from experiments.models.trials import (
    TRIAL_LIVE,
    AttemptState,
    TrialQuerySet,
    TrialState,
)
from experiments.search.sharing import shared_values

logger = logging.getLogger(__name__)

# So many trials run at a time until one has reported, or has lived for LIVED seconds.
MOST_UNPROVEN = 4
LIVED = 20.0
# A failure within this many seconds is a fast one.
FAST = 30.0
# So many fast failures alike stop a sweep in which nothing has worked; fewer where the
# error has nothing to do with the values.
ALIKE, ALIKE_ALWAYS = 5, 3
# So many failures alike in a row pause a sweep that has worked, if they are no chance;
# and so many even where they have values in common.
RUN, LONGEST_RUN = 5, 30
CHANCE = 0.001
# So many failures alike on one host, and so many trials that work elsewhere; one is
# enough where more have failed, or of something that has nothing to do with the values.
ON_ONE_HOST, MANY_ON_ONE_HOST = 4, 8
OF_THE_HOST = frozenset({"gpu", "disk"})
LOOK_BACK = timedelta(hours=1)
MOST_COMPARED = 400
BAD_START, BAD_TURN = "first_trials_failed", "same_failure"


def most_live(sweeps: Collection[Sweep]) -> dict[int, int]:
    """How many trials of each sweep may live at a time now, by its id, in one query."""
    limits = {sweep.pk: sweep.max_concurrent_trials for sweep in sweeps}
    limits |= {sweep.pk: 1 for sweep in sweeps if preflight.is_running(sweep)}
    wide = [pk for pk, most in limits.items() if most > MOST_UNPROVEN]
    if wide:
        unproven = Sweep.objects.filter(~Exists(_proven()), pk__in=wide)
        limits |= dict.fromkeys(unproven.values_list("pk", flat=True), MOST_UNPROVEN)
    return limits


def _proven() -> TrialQuerySet:
    """Trials of the outer sweep that have reported, completed, or trained for some
    seconds."""
    proven = (
        Q(reports__gt=0)
        | Q(state=TrialState.COMPLETED)
        | Q(current_attempt__elapsed__gte=LIVED)
    )
    return Trial.objects.own().filter(proven, sweep=OuterRef("pk"))


def trip(sweep: Sweep, counts: Mapping[str, int]) -> bool:
    """Stop or pause the sweep if its trials all fail of one thing. True: it was, or it
    is too early to tell; no trial is to be placed."""
    if not counts[TrialState.FAILED] and not sweep.on_failure:
        return False
    recent = recent_ends(sweep)
    if not any(end.failed for end in recent):
        return False
    host = _bad_host(recent)
    if host is not None:
        _drain(sweep, host)
        return False
    return _bad_start(sweep, recent) or _bad_turn(sweep, recent)


# --- what happened lately -----------------------------------------------------------


@dataclass(frozen=True)
class End:
    """One attempt: how it ended, or how it stands."""

    number: int
    signature: str
    error: str
    reason: str
    live: bool
    worked: bool
    elapsed: float
    worker: int | None
    host: str

    @property
    def failed(self) -> bool:
        return bool(self.signature)

    @property
    def cause(self) -> Cause | None:
        return likely_cause(self.error)


def recent_ends(sweep: Sweep) -> list[End]:
    """The sweep's newest attempts, the newest trial first; what ended before the sweep
    was resumed is over and done with."""
    since = database_now() - LOOK_BACK
    since = max(since, sweep.resumed_at or since)
    attempts = Attempt.objects.filter(
        Q(ended_at__gt=since) | Q(state=AttemptState.RUNNING),
        trial__sweep=sweep,
        trial__number__gte=_from(sweep),
    )
    rows = attempts.select_related("worker", "trial").only(
        *("signature", "error", "reason", "state", "elapsed", "worker__host"),
        *("trial__number", "trial__state", "trial__reports"),
    )
    return [_end(a) for a in rows.order_by("-trial__number", "-n")]


def _from(sweep: Sweep) -> int:
    """The lowest number that is looked at: those before it are too old."""
    last = sweep.trials.order_by("-number").values_list("number", flat=True).first()
    return max(0, (last or 0) - 2 * LONGEST_RUN - sweep.max_concurrent_trials)


def _end(attempt: Attempt) -> End:
    trial, elapsed = attempt.trial, attempt.elapsed or 0.0
    live = attempt.state == AttemptState.RUNNING
    good = trial.state in (TrialState.COMPLETED, TrialState.TERMINATED)
    alive = live and (trial.reports > 0 or elapsed >= LIVED)
    return End(
        number=trial.number,
        signature=attempt.signature,
        error=attempt.error,
        reason=attempt.reason,
        live=live,
        worked=not attempt.signature and (good or alive),
        elapsed=elapsed,
        worker=attempt.worker_id,
        host=attempt.worker.host if attempt.worker else "",
    )


def _most_alike(ends: Sequence[End]) -> list[End]:
    """The largest group of failures with one signature."""
    counts = Counter(end.signature for end in ends if end.failed)
    if not counts:
        return []
    signature = counts.most_common(1)[0][0]
    return [end for end in ends if end.signature == signature]


# --- a bad start --------------------------------------------------------------------


def _bad_start(sweep: Sweep, recent: Sequence[End]) -> bool:
    fast = [end for end in recent if end.failed and end.elapsed < FAST]
    alike = _most_alike(fast)
    if not alike or any(end.worked for end in recent) or _has_worked(sweep):
        return False
    if len(alike) >= ALIKE_ALWAYS and _others_may_work(alike, recent):
        return True
    cause = alike[0].cause
    if len(alike) < (ALIKE_ALWAYS if cause and cause.always else ALIKE):
        return False
    message = (
        f"{len(alike)} trials have failed with the same error within seconds of their"
        f" start and none has worked, so no more were started. {_told(alike[0])}"
    )
    return lifecycle.fail_sweep(sweep, reason=BAD_START, message=message)


def _has_worked(sweep: Sweep) -> bool:
    worked = Q(reports__gt=0) | Q(state=TrialState.COMPLETED)
    return sweep.trials.own().filter(worked).exists()


def _others_may_work(alike: Sequence[End], recent: Sequence[End]) -> bool:
    """Whether all failed on one host, while a trial has just begun on another."""
    hosts = {end.host for end in alike}
    return len(hosts) == 1 and any(e.live and e.host not in hosts for e in recent)


def _told(end: End) -> str:
    cause = end.cause
    likely = f" Likely cause: {cause.likely}. {cause.advice}" if cause else ""
    return f"The error of trial {end.number}: {end.error.rstrip('.')}.{likely}"


# --- a bad turn ---------------------------------------------------------------------


def _bad_turn(sweep: Sweep, recent: Sequence[End]) -> bool:
    """The last to start have all failed alike, although others had worked."""
    run = _run(recent)
    if len(run) < RUN or not _is_no_chance(sweep, run):
        return False
    if len(run) < LONGEST_RUN and _is_region(sweep, run):
        return False
    message = (
        f"Paused: the last {len(run)} trials all failed with the same error, although"
        f" others had worked before. {_told(run[0])} Resuming goes on with new trials."
    )
    return lifecycle.pause_sweep(sweep, reason=BAD_TURN, message=message)


def _run(recent: Sequence[End]) -> list[End]:
    """Failures alike without another end between them, from the newest on. A trial
    that has just begun tells nothing yet."""
    run: list[End] = []
    for end in recent:
        if end.live and not end.worked:
            continue
        if not end.failed or (run and end.signature != run[0].signature):
            break
        run.append(end)
    return run


def _is_no_chance(sweep: Sweep, run: Sequence[End]) -> bool:
    """Whether so many in a row are more than the failures that there were before."""
    before = sweep.trials.own().filter(number__lt=min(end.number for end in run))
    ended = before.exclude(state__in=TRIAL_LIVE)
    worked = ended.exclude(state=TrialState.FAILED).count()
    alike = before.filter(current_attempt__signature=run[0].signature).count()
    if not worked:
        return False
    share = (alike + 0.5) / (alike + worked + 1)
    return bool(share ** len(run) < CHANCE)


def _is_region(sweep: Sweep, run: Sequence[End]) -> bool:
    """Whether values that the others do not have explain the failures."""
    failed, ran = compared_params(sweep, run[0].signature)
    return any(shared.tells for shared in shared_values(failed, ran))


def compared_params(
    sweep: Sweep, signature: str
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The newest configurations that failed so, and those that ran."""
    own = sweep.trials.own().order_by("-number")
    failed = own.filter(
        state=TrialState.FAILED, current_attempt__signature=signature
    ).values_list("params", flat=True)
    ran = own.filter(
        Q(reports__gt=0) | Q(state=TrialState.COMPLETED),
    ).exclude(state=TrialState.FAILED)
    newest = ran.values_list("params", flat=True)[:MOST_COMPARED]
    return list(failed[:MOST_COMPARED]), list(newest)


# --- a bad host ---------------------------------------------------------------------


def _bad_host(recent: Sequence[End]) -> list[End] | None:
    """The failures of a host on which all fail alike, while trials work elsewhere."""
    for host in {end.host for end in recent if end.failed and end.host}:
        here = _run([end for end in recent if end.host == host])
        if len(here) < ON_ONE_HOST - 1:
            continue
        since = min(end.number for end in here)
        others = [end for end in recent if end.host != host]
        alike = any(end.signature == here[0].signature for end in others)
        working = [e for e in others if e.worked and e.number >= since - len(others)]
        if not alike and len(working) >= _needed_elsewhere(here):
            return here
    return None


def is_fault_of_hosts(sweep: Sweep) -> bool:
    """Whether all of the sweep's failures were on hosts that are drained by now, or on
    one host, while there is another that is not, or on which a trial trains."""
    failed = sweep.trials.own().filter(state=TrialState.FAILED)
    hosts = Worker.objects.filter(attempts__trial__in=failed)
    if hosts.filter(draining_since=None).exists():
        names = set(hosts.values_list("host", flat=True))
        training = sweep.trials.live().filter(current_attempt__elapsed__gte=LIVED)
        others = training.exclude(current_attempt__worker__host__in=names)
        return len(names) == 1 and others.exists()
    alive = Worker.objects.alive().filter(pool=sweep.pool_id, draining_since=None)
    return hosts.exists() and alive.exists()


def _needed_elsewhere(here: Sequence[End]) -> float:
    """How many trials have to work elsewhere before the host is to blame."""
    cause = here[0].cause
    if cause and (cause.always or cause.kind in OF_THE_HOST):
        return 1
    if len(here) >= MANY_ON_ONE_HOST:
        return 1
    return ON_ONE_HOST if len(here) >= ON_ONE_HOST else float("inf")


def _drain(sweep: Sweep, failures: Sequence[End]) -> None:
    """Give the host no more work; it can be taken back on the Pools page."""
    reason = (
        f"The last {len(failures)} trials of {sweep} on this host failed with the same"
        f" error, and on other hosts they work: {failures[0].error}"
    )[:300]
    host = failures[0].host
    for worker in Worker.objects.alive().filter(pool=sweep.pool_id, host=host):
        if worker.draining_since is None:
            lifecycle.drain_worker(worker, reason=reason)
            logger.warning("worker %s is drained: %s", worker.pk, reason)
