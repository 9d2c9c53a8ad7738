"""The next trial for a process of the user's own.

It counts towards the same limits of trials, in total and at a time, as workers' trials.
"""

from __future__ import annotations

from typing import Literal

from experiments import lifecycle
from experiments.cleanup import quotas
from experiments.lifecycle import AskClaim
from experiments.models import Attempt, Sweep
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.scheduling.dispatch import next_suggestion
from experiments.sweeps.requests import next_request

# Processes that ask at the same moment may take a number first.
MAX_TRIES = 20

Code = Literal[
    "budget_spent",
    "exhausted",
    "not_running",
    "too_many_running",
    "over_quota",
    "busy",
]


class NothingToRun(Exception):
    """The sweep has no trial to give now. After `too_many_running`, `over_quota` and
    `busy` it may have one later."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def ask(sweep: Sweep, *, client: str = "") -> AskClaim:
    """A trial that the calling process runs from now on.

    A client that asks again under its name gets its unfinished trial. Otherwise it gets
    a queued or a new one. Raises NothingToRun.
    """
    for turn in range(MAX_TRIES):
        claim = lifecycle.unfinished(sweep, client)
        if claim is None:
            if turn:
                # Another process was first, or the sweep has changed.
                sweep.refresh_from_db()
            _refuse_state(sweep)
            claim = _waiting(sweep, client) or _new(sweep, client)
        if claim is not None:
            return claim
    raise NothingToRun("busy", "Too many processes ask at once. Ask again in a second.")


def _refuse_state(sweep: Sweep) -> None:
    if sweep.state == SweepState.RUNNING:
        return
    reason = sweep.reason if sweep.state == SweepState.COMPLETED else ""
    if reason == "max_total_trials":
        raise _spent(sweep)
    if reason == "exhausted":
        raise _exhausted(sweep)
    message = f"{sweep} is {sweep.state}; only a running sweep gives out trials."
    raise NothingToRun("not_running", message)


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
    """A trial that another process gave back, in a sweep without workers."""
    if sweep.launches:
        return None
    queued = Attempt.objects.filter(trial__sweep=sweep, state=AttemptState.QUEUED)
    waiting = list(queued.order_by("pk")[:MAX_TRIES])
    for attempt in waiting:
        claim = lifecycle.claim_queued_trial(sweep, attempt, client=client)
        if claim is not None:
            return claim
    if waiting:
        # The sweep was paused or reached its limit of trials at a time.
        sweep.refresh_from_db()
        _refuse_state(sweep)
        _refuse_more(sweep)
    return None


def _new(sweep: Sweep, client: str) -> AskClaim | None:
    """The number is read before the trials are counted, as in dispatch.py."""
    number = sweep.next_number()
    if number >= sweep.max_total_trials:
        raise _spent(sweep)
    _refuse_more(sweep)
    _refuse_over_quota(sweep)
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


def _refuse_over_quota(sweep: Sweep) -> None:
    team = sweep.experiment.team
    if team.over_quota_since is not None:
        words = f"{quotas.over_quota_text(team)} {quotas.ADVICE}"
        raise NothingToRun("over_quota", words)
