"""Who calls, and which experiments and runs they reach.

A token comes as a bearer, or as the password of basic authentication. A trial's or
single run's own token reaches that run, the runs it has made below it, and its
experiment; their attempts carry the digest of the same token. A user's token reaches
what its user does.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from experiments import access
from experiments.api import rate_limits
from experiments.api.auth import Caller, caller_of_token, ended_token_text
from experiments.mlflow.errors import (
    MlflowError,
    denied,
    does_not_exist,
    invalid,
    too_many,
)
from experiments.models import Attempt, Experiment, Team, Trial
from experiments.models.trials import AttemptState
from experiments.tokens import token_digest

TRAINING = "trl_"
UNKNOWN_CALLER = (
    "A valid token is needed: set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME"
    " and the token as MLFLOW_TRACKING_PASSWORD."
)
RUN_ROWS = ("experiment__team", "sweep", "current_attempt", "run")


@dataclass(frozen=True)
class TrainingCaller:
    """A program with the token of its own trial or run."""

    attempt: Attempt

    @property
    def trial(self) -> Trial:
        return self.attempt.trial

    @property
    def digest(self) -> str:
        return self.attempt.trial_token_digest


AnyCaller = TrainingCaller | Caller


def secret_of(request: HttpRequest) -> str:
    """The token of a request; empty if there is none."""
    kind, _, rest = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind.lower() == "bearer":
        return str(rest.strip())
    if kind.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2]


def caller_of(request: HttpRequest, *, logs: bool = False) -> AnyCaller:
    """Raises MlflowError. A user's programs may log as often as a trial."""
    found = caller_of_secret(request, secret_of(request))
    key, rate = limit_of(found, logs=logs)
    if wait := rate_limits.requests.take(key, rate):
        raise too_many(wait, f"by one caller, who may send {rate} a second")
    # For the log of refusals.
    request.auth = found  # type: ignore[attr-defined]
    return found


def caller_of_secret(request: HttpRequest, secret: str) -> AnyCaller:
    is_training = secret.startswith(TRAINING)
    found = _training(secret) if is_training else caller_of_token(request, secret)
    if found is None:
        text = ended_token_text(secret) or UNKNOWN_CALLER
        raise MlflowError("UNAUTHENTICATED", text)
    return found


def limit_of(caller: AnyCaller, *, logs: bool) -> tuple[str, int]:
    """The caller's name for the limit of requests, and how many a second."""
    most: int = settings.WORKER_REQUESTS_PER_SECOND
    if isinstance(caller, TrainingCaller):
        return f"TrialAuth {caller.attempt.pk}", most
    if logs:
        return f"user {caller.user.pk} logs", most
    return f"user {caller.user.pk}", settings.USER_REQUESTS_PER_SECOND


def _training(secret: str) -> TrainingCaller | None:
    """The token's own attempt is the first with its digest; later ones are those of
    runs that it has made."""
    rows = Attempt.objects.filter(trial_token_digest=token_digest(secret))
    rows = rows.select_related(*(f"trial__{name}" for name in RUN_ROWS))
    attempt = rows.order_by("pk").first()
    if attempt is None:
        return None
    _check_runs(attempt)
    return TrainingCaller(attempt)


# --- experiments ----------------------------------------------------------------------


def experiments_of(caller: AnyCaller) -> QuerySet[Experiment]:
    """Those that the caller may read, with their teams."""
    if isinstance(caller, TrainingCaller):
        own = Experiment.objects.filter(pk=caller.trial.experiment_id)
        return own.select_related("team")
    return access.experiments_for(caller.user)


def check_may_change(caller: Caller, team: Team) -> None:
    if caller.scope == "read":
        raise denied(
            "This token may only read. Make one of scope write on your Profile."
        )
    if not access.can_steer(caller.user, team):
        raise denied(f"You are a viewer of team {team.name}; members may do that.")


def user_only(caller: AnyCaller, what: str) -> Caller:
    """Refuses the token of a trial or run."""
    if isinstance(caller, TrainingCaller):
        raise denied(f"The token of a trial or run may not {what}.")
    return caller


# --- runs -----------------------------------------------------------------------------


def run_id_of(pk: int) -> str:
    return f"{pk:032x}"


def key_of(run_id: str) -> int:
    """The trial's number of a run id; 0 for what is not one."""
    try:
        return int(run_id, 16) if len(run_id) == 32 and run_id.isalnum() else 0
    except ValueError:
        return 0


def runs_of(caller: AnyCaller) -> QuerySet[Trial]:
    """The runs that the caller may read, deleted ones included."""
    if isinstance(caller, TrainingCaller):
        return Trial.objects.filter(attempts__trial_token_digest=caller.digest)
    return access.runs_for(caller.user)


def readable_run(caller: AnyCaller, run_id: str) -> Trial:
    pk = key_of(run_id)
    if isinstance(caller, TrainingCaller) and pk == caller.trial.pk:
        return caller.trial
    rows = runs_of(caller).filter(pk=pk) if 0 < pk < 2**63 else Trial.objects.none()
    trial = rows.select_related(*RUN_ROWS).first()
    if trial is None:
        raise does_not_exist(f"Run with id={run_id} not found")
    return trial


def changeable_run(caller: AnyCaller, run_id: str) -> Trial:
    """A run to which the caller may write. Its attempt is ``current_attempt``."""
    trial = readable_run(caller, run_id)
    if not isinstance(caller, TrainingCaller):
        check_may_change(caller, trial.experiment.team)
    if is_deleted(trial):
        raise invalid(
            f"The run {run_id} must be in the 'active' state. Current state is deleted."
        )
    return trial


def check_own_run(caller: TrainingCaller) -> None:
    """Refuses changes around a run that is in the trash."""
    changeable_run(caller, run_id_of(caller.trial.pk))


def is_deleted(trial: Trial) -> bool:
    run = getattr(trial, "run", None)
    return run is not None and run.deleted_at is not None


def _check_runs(attempt: Attempt) -> None:
    """The token of a trial counts until its process has ended; that of a single run,
    which has no pool, for good."""
    if attempt.state != AttemptState.RUNNING and attempt.pool_id is not None:
        message = attempt.trial.message or "Its process has ended."
        raise denied(f"The trial has ended, and its token with it. {message}")
