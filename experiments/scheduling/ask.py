"""The next trial for processes that this site does not launch, and those that fell
silent with one.

They take from the same budget and the same limit of trials at a time as workers do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings

from experiments import lifecycle
from experiments.db.clock import database_now, never_set
from experiments.formatting import exact_duration_text
from experiments.lifecycle import AskClaim
from experiments.lifecycle.attempts import MIN_STEP
from experiments.models import Attempt, Sweep
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.scheduling.dispatch import next_suggestion
from experiments.sweeps.requests import next_request

# Others that ask at the same moment take the numbers; then there is a next one.
TRIES = 20

Code = Literal["budget_spent", "exhausted", "not_running", "too_many_running", "busy"]


class NothingToRun(Exception):
    """There is no trial for the asker now; `code` for programs, a sentence for people.

    After `too_many_running` and `busy` asking later may help.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def ask(sweep: Sweep, *, client: str = "") -> AskClaim:
    """A trial that the asker runs from now on.

    A client that names itself gets the trial that it has not finished again, and else
    one that waits, or a new one. Raises NothingToRun.
    """
    for _ in range(TRIES):
        claim = lifecycle.unfinished(sweep, client)
        if claim is None:
            sweep.refresh_from_db()
            _refuse_state(sweep)
            claim = _waiting(sweep, client) or _new(sweep, client)
        if claim is not None:
            return claim
    raise NothingToRun("busy", "Too many processes ask at once; ask again in a second.")


def _refuse_state(sweep: Sweep) -> None:
    if sweep.state == SweepState.RUNNING:
        return
    reason = sweep.reason if sweep.state == SweepState.COMPLETED else ""
    if reason == "max_total_trials":
        raise _spent(sweep)
    if reason == "exhausted":
        raise _exhausted(sweep)
    words = f"The sweep {sweep} is {sweep.state}; only a running one gives out trials."
    raise NothingToRun("not_running", words)


def _spent(sweep: Sweep) -> NothingToRun:
    words = (
        f"{sweep} has given out all of its {sweep.max_total_trials:,} trials"
        " (limits.max_total_trials)."
    )
    return NothingToRun("budget_spent", words)


def _exhausted(sweep: Sweep) -> NothingToRun:
    words = f"Every configuration of the search space of {sweep} has been given out."
    return NothingToRun("exhausted", words)


def _waiting(sweep: Sweep, client: str) -> AskClaim | None:
    """One that was given back, where no worker will take it."""
    if sweep.launches:
        return None
    queued = Attempt.objects.filter(trial__sweep=sweep, state=AttemptState.QUEUED)
    waiting = list(queued.order_by("pk")[:TRIES])
    for attempt in waiting:
        claim = lifecycle.claim_queued_trial(sweep, attempt, client=client)
        if claim is not None:
            return claim
    if waiting:
        # It was paused meanwhile, or as many run as may: not that its budget is spent.
        sweep.refresh_from_db()
        _refuse_state(sweep)
        _refuse_more(sweep)
    return None


def _new(sweep: Sweep, client: str) -> AskClaim | None:
    """The number is read before the trials are counted, as in placing.py."""
    number = sweep.next_number()
    if number >= sweep.max_total_trials:
        raise _spent(sweep)
    _refuse_more(sweep)
    trial_request = next_request(sweep)
    chosen = trial_request or next_suggestion(sweep, number)
    if chosen is None:
        raise _exhausted(sweep)
    return lifecycle.claim_new_trial(
        sweep,
        number=number,
        params=chosen.params,
        origin=chosen.origin,
        client=client,
        trial_request=trial_request,
    )


def _refuse_more(sweep: Sweep) -> None:
    live, most = sweep.trials.live().count(), sweep.max_concurrent_trials
    if live >= most:
        words = (
            f"{live:,} trials of {sweep} run, and limits.max_concurrent_trials is"
            f" {most:,}. Ask again when one has ended."
        )
        raise NothingToRun("too_many_running", words)


# --- silence -----------------------------------------------------------------------


def end_silent_asks(
    *, only_stopping: bool = False, was_set: Callable[[], bool] = never_set
) -> None:
    """Give up trials whose asker has been silent for too long: nothing may be stuck.

    One that was told to stop has a lease's time to end; others may be silent for their
    sweep's trial_timeout, or for as long as the site allows.
    """
    now = database_now()
    handed_out = Attempt.objects.filter(
        state=AttemptState.RUNNING,
        runner_token_digest="",
        worker=None,
        heartbeat_at__lt=now - timedelta(seconds=settings.LEASE_SECONDS),
        trial__sweep__isnull=False,
    )
    if only_stopping:
        handed_out = handed_out.exclude(trial__stop_reason="")
    silent = handed_out.select_related("trial__sweep")
    if silent and was_set():
        return
    for attempt in silent:
        limit = silence_allowed(attempt)
        heard = _last_touched(attempt, now)
        if heard + timedelta(seconds=limit) >= now:
            continue
        time = exact_duration_text(limit)
        message = f"The process that asked for it was silent for {time}."
        lifecycle.lose_attempt(
            attempt,
            reason="silent",
            message=message,
            unheard_since=now - timedelta(seconds=limit),
        )


def _last_touched(attempt: Attempt, now: datetime) -> datetime:
    """When its process was heard last or, if that was later, its trial was changed,
    such as told to stop: but for a change of the future, of a clock that was set back.
    """
    heard, changed = attempt.heartbeat_at or now, attempt.trial.updated_at
    return heard if changed > now + MIN_STEP else max(heard, changed)


def silence_allowed(attempt: Attempt) -> float:
    """For how many seconds its process may send nothing."""
    sweep = attempt.trial.sweep
    if attempt.trial.stop_reason:
        return float(settings.LEASE_SECONDS)
    own = sweep.trial_timeout if sweep is not None else None
    return own or float(settings.ASK_TIMEOUT_SECONDS)
