"""Reports of a training process, and the end of a trial that one of the user's own
processes runs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from experiments import lifecycle, queues
from experiments.api.auth import TrialAuth, UserAuth, own_attempt, steerable_trial
from experiments.api.errors import WITHOUT_NUL, ApiError
from experiments.api.points import PointsIn, ReplyOut
from experiments.api.schemas import answers
from experiments.api.trials import router
from experiments.failures import groups
from experiments.models import Attempt
from experiments.models.trials import AttemptState
from experiments.tracking import ingest

# The trials' own router: one path has one view, which tells its methods apart.
training_or_user = [TrialAuth(), UserAuth()]


def _attempt(request: HttpRequest, trial_id: int) -> Attempt:
    """The attempt that the token is for, or that a person's report counts for."""
    attempt = own_attempt(request) or steerable_trial(request, trial_id).current_attempt
    if attempt is None:
        raise ingest.AttemptNotRunning(f"Trial {trial_id} has no attempt that runs.")
    return attempt


@router.post(
    "/trials/{trial_id}/metrics",
    response=answers(200, ReplyOut),
    auth=training_or_user,
    exclude_unset=True,
)
def report(request: HttpRequest, trial_id: int, body: PointsIn) -> ReplyOut:
    """Report points; the reply may ask to stop. Sent again, they change nothing.

    A point that is not valid, or of one metric name too many, is not stored: the reply
    names it in ``refused``. All others are stored.

    409 ``stale_attempt``: the attempt has ended or another one has taken over, and the
    process that reports should end itself.
    """
    attempt = _attempt(request, trial_id)
    # For a trial that a worker launched, its runner sends the heartbeats.
    asked = not attempt.runner_token_digest
    points, refused = body.split()
    return ReplyOut.of(
        ingest.record(
            attempt.pk,
            points,
            refused=refused,
            is_heartbeat=asked,
            batch=body.batch,
        )
    )


@router.post(
    "/trials/{trial_id}/heartbeat",
    response=answers(200, ReplyOut),
    auth=training_or_user,
    exclude_unset=True,
)
def heartbeat(request: HttpRequest, trial_id: int) -> ReplyOut:
    """Send a heartbeat for an asked trial.

    Reports say so, too: this is for processes that report seldom. The answer may ask to
    stop. 409 ``stale_attempt``, as for reports.
    """
    attempt = _attempt(request, trial_id)
    if attempt.runner_token_digest:
        raise _launched("that it lives")
    if not lifecycle.ask_heartbeat(attempt):
        raise ingest.AttemptNotRunning(f"Attempt {attempt.pk} does not run any more.")
    trial = attempt.trial
    return ReplyOut(stop=bool(trial.stop_reason), reason=trial.stop_message)


class AskedFinishIn(Schema):
    state: Literal["completed", "failed"]
    message: Annotated[str, Field(max_length=2_000, pattern=WITHOUT_NUL)] = ""


class FinishOut(Schema):
    state: Annotated[str, Field(description="of the trial, which may be another one")]


@router.post(
    "/trials/{trial_id}/finish",
    response=answers(200, FinishOut),
    auth=training_or_user,
)
def finish(request: HttpRequest, trial_id: int, body: AskedFinishIn) -> FinishOut:
    """End a trial whose process this site did not launch.

    A trial that was asked to stop is terminated or cancelled, whatever is said here.
    """
    attempt = _attempt(request, trial_id)
    if attempt.runner_token_digest:
        raise _launched("its end")
    if attempt.state == AttemptState.QUEUED:
        raise ingest.AttemptNotRunning(f"Attempt {attempt.pk} has not started yet.")
    outcome = _outcome(attempt, body)
    groups.store_signature(attempt, outcome)
    lifecycle.finish_attempt(attempt, outcome)
    queues.wake_scheduler()
    attempt.trial.refresh_from_db()
    return FinishOut(state=attempt.trial.state)


def _launched(what: str) -> ApiError:
    return ApiError(
        409,
        "launched",
        f"This trial was launched by a worker, whose runner reports {what}; this is for"
        " trials that run elsewhere.",
    )


def _outcome(attempt: Attempt, body: AskedFinishIn) -> lifecycle.Outcome:
    failed = body.state == "failed"
    # It has trained up to now.
    lifecycle.ask_heartbeat(attempt)
    attempt.refresh_from_db(fields=["elapsed"])
    return lifecycle.Outcome(
        cause="exited",
        exit_code=int(failed),
        message=body.message or ("Its process said that it failed." if failed else ""),
        elapsed=attempt.elapsed,
    )
