"""One round of the scheduler: end or pause sweeps, then fill free slots.

Any number of schedulers may run: the unique (sweep, number) of a trial and the
filtered updates of lifecycle keep them from doing anything twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.failures import auto_drain, circuit_breaker, preflight
from experiments.failures.known_errors import known_error
from experiments.failures.recent_attempts import last_resumed
from experiments.failures.signatures import UNSAID
from experiments.formatting import exact_duration_text
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE, TrialState
from experiments.scheduling.dispatch import Dispatch
from experiments.sweeps.requests import has_open_requests, waiting_requests

logger = logging.getLogger(__name__)


def advance_all() -> None:
    """End or pause the sweeps that are due, then fill free slots."""
    running = list(
        Sweep.objects.filter(state=SweepState.RUNNING)
        .select_related("experiment", "pool")
        .order_by("id")
    )
    waiting = [sweep for sweep in running if _needs_trials(sweep)]
    dispatch = Dispatch(waiting)
    _serve_all(dispatch, dispatch.serve)
    dispatch.restart()
    _serve_all(dispatch, dispatch.prefetch)
    for sweep in waiting:
        if sweep.exhausted:
            _needs_trials(sweep)


Serve = Callable[[Sweep], Trial | None]


def _serve_all(dispatch: Dispatch, serve: Serve) -> None:
    """Serve sweeps by their fair shares until none gets more."""
    while (sweep := dispatch.next_sweep()) is not None:
        trial = None
        with _pausing(sweep):
            trial = serve(sweep)
        if trial is None:
            dispatch.drop(sweep)


def _needs_trials(sweep: Sweep) -> bool:
    """Whether the sweep needs new trials, after the rules that may end it."""
    with _pausing(sweep):
        return not settle(sweep)
    return False


@contextmanager
def _pausing(sweep: Sweep) -> Iterator[None]:
    """Pause a sweep whose scheduling fails: it must not stop the others."""

    def pause(error: Exception) -> None:
        logger.exception("sweep %s cannot be scheduled", sweep.pk)
        message = f"The scheduler could not continue this sweep: {error}"
        lifecycle.pause_sweep(sweep, reason="internal_error", message=message)

    with guarded(pause):
        yield


@contextmanager
def guarded(failed: Callable[[Exception], None]) -> Iterator[None]:
    """Pass an error to `failed`, so that later steps run.

    Without a database no later step can run: that error is raised.
    """
    try:
        yield
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        failed(error)


# --- ending -----------------------------------------------------------------------


Counts = dict[str, int]
Move = circuit_breaker.Move
Rule = Callable[[Sweep, Counts], Move | None]


def settle(sweep: Sweep) -> bool:
    """End or pause the sweep if a rule says so. True: it needs no new trials now."""
    counts = trial_counts(sweep)
    return (
        end_at_timeout(sweep)
        or _decide(sweep, _at_target, counts)
        or preflight.check_probe(sweep)
        or _decide(sweep, circuit_breaker.tripped, counts)
        or _decide(sweep, _all_failed_first, counts)
        or _decide(sweep, _many_failures, counts)
        or _decide(sweep, _complete, counts)
    )


def _decide(sweep: Sweep, rule: Rule, counts: Counts) -> bool:
    """Do what the rule says, if it still says so once the sweep is locked.

    A sweep that was paused, resumed or ended meanwhile waits for the next round.
    """
    if rule(sweep, counts) is None:
        return False
    state = sweep.state
    with transaction.atomic():
        if not lifecycle.lock_sweep(sweep) or sweep.state != state:
            return True
        move = rule(sweep, trial_counts(sweep))
        return move is not None and move()


def trial_counts(sweep: Sweep) -> Counts:
    """How many of its own trials are in each state; every state is there."""
    counts = dict.fromkeys(TrialState.values, 0)
    rows = sweep.trials.own().order_by().values_list("state")
    counts.update(rows.annotate(count=Count("pk")))
    return counts


def end_at_timeout(sweep: Sweep) -> bool:
    return _decide(sweep, _timeout, {})


def _timeout(sweep: Sweep, _: Counts) -> Move | None:
    deadline = sweep.deadline
    if deadline is None or database_now() < deadline:
        return None
    time = exact_duration_text(sweep.timeout or 0)
    message = f"The sweep's time of {time} was over."
    return partial(
        lifecycle.cancel_sweep, sweep, reason="sweep_timeout", message=message
    )


def _at_target(sweep: Sweep, _: Counts) -> Move | None:
    target = sweep.objective.target
    if target is None:
        return None
    better = "value__gte" if sweep.goal == "maximize" else "value__lte"
    reached = sweep.trials.exclude(state=TrialState.FAILED).filter(**{better: target})
    if has_open_requests(sweep):
        # They run after the target was reached: it must not end them.
        reached = reached.exclude(pk__in=sweep.trials.requested())
        if sweep.resumed_at is not None:
            reached = reached.exclude(ended_at__lte=sweep.resumed_at)
    trial = reached.order_by("number").first()
    if trial is None:
        return None
    message = (
        f"Trial {trial.number} reached the target {target:g} with {trial.value:g}."
    )
    return partial(_end_all, sweep, reason="target", message=message)


def _end_all(sweep: Sweep, *, reason: str, message: str) -> bool:
    lifecycle.complete_sweep(sweep, reason=reason, message=message)
    lifecycle.stop_live_trials(sweep, reason=reason, message=message)
    return True


def _all_failed_first(sweep: Sweep, counts: Counts) -> Move | None:
    """Fail a sweep whose first trials have all failed, 3 or max_concurrent_trials."""
    failed = counts[TrialState.FAILED]
    first = max(3, sweep.max_concurrent_trials)
    if failed < first or failed < sum(counts.values()) - _live(counts):
        return None
    if sweep.resumed_at is not None and failures_since_resumed(sweep) < first:
        return None
    if auto_drain.hosts_are_to_blame(sweep):
        return None
    message = (
        f"The first {failed} trials have all failed, so no more were started."
        f" {_last_failure(sweep)}"
    )
    return partial(
        lifecycle.fail_sweep, sweep, reason="first_trials_failed", message=message
    )


def _many_failures(sweep: Sweep, _: Counts) -> Move | None:
    most = sweep.max_failed_trials
    if most is None:
        return None
    count = failures_since_resumed(sweep)
    if count < most:
        return None
    message = (
        f"Paused after {count} failed trials (max_failed_trials is {most})."
        f" {_last_failure(sweep)} Resuming allows {most} more."
    )
    return partial(
        lifecycle.pause_sweep, sweep, reason="max_failed_trials", message=message
    )


def failures_since_resumed(sweep: Sweep) -> int:
    """Trials that started and failed since the sweep was last resumed, if ever."""
    failures = sweep.trials.own().filter(state=TrialState.FAILED)
    since = last_resumed(sweep)
    if since is not None:
        failures = failures.filter(ended_at__gt=since)
        failures = failures.exclude(current_attempt__claimed_at__lt=since)
    return failures.count()


def _last_failure(sweep: Sweep) -> str:
    failures = sweep.trials.own().filter(state=TrialState.FAILED)
    newest = failures.select_related("current_attempt").order_by("-ended_at")
    trial = newest.first()
    if trial is None:
        return ""
    error = trial.current_attempt.error if trial.current_attempt else ""
    parts = [f"The last, trial {trial.number}: {trial.message}"]
    parts += [] if error in trial.message or error == UNSAID else [error]
    known = known_error(error or trial.message)
    parts += [f"Likely cause: {known.cause}. {known.advice}"] if known else []
    return " ".join(part if part.endswith(".") else f"{part}." for part in parts)


def _live(counts: Counts) -> int:
    return sum(counts[state] for state in TRIAL_LIVE)


def _complete(sweep: Sweep, counts: Counts) -> Move | None:
    """Complete a sweep that has tried everything, requested trials included."""
    tried = sum(counts.values())
    spent = sweep.next_number() >= sweep.max_total_trials
    if _live(counts) or not (sweep.exhausted or spent):
        return None
    if waiting_requests(sweep).exists():
        return partial(_make_room, sweep)
    if tried and counts[TrialState.FAILED] == tried:
        message = f"{_all(tried)} failed. {_last_failure(sweep)}"
        return partial(
            lifecycle.fail_sweep, sweep, reason="all_failed", message=message
        )
    if spent:
        reason, message = "max_total_trials", f"{_all(tried)} ended."
    else:
        reason, different = "exhausted", tried - sweep.trials.requested().count()
        message = f"Every one of the {different} configurations of the space was tried."
    return partial(lifecycle.complete_sweep, sweep, reason=reason, message=message)


def _all(trials: int) -> str:
    return "Its only trial" if trials == 1 else f"All {trials} trials"


def _make_room(sweep: Sweep) -> bool:
    """A waiting request keeps the sweep running, and gets room if it has none."""
    lifecycle.make_room(sweep)
    return False
