"""Who calls the API, and what they may reach.

Tokens come in the Authorization header and never in a cookie, so no other site can make
a browser call the API. Rows that a caller may not see are a 404, which does not reveal
them; rows that they see but may not change are a 403.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from experiments import access
from experiments.api import rate_limits
from experiments.api.errors import ApiError, too_many
from experiments.db.prepared import Placeholder, SelectObject
from experiments.models import (
    ApiToken,
    Attempt,
    Experiment,
    Pool,
    Sweep,
    Team,
    Trial,
    User,
    WorkerToken,
)
from experiments.models.trials import AttemptState
from experiments.tokens import same_digest, token_digest
from experiments.tracking.ingest import TAKES_POINTS, AttemptNotRunning

# More digits than a row's number has.
MAX_DIGITS = 18
NOTED_AGAIN_AFTER = timedelta(minutes=1)
TRAINING = SelectObject(
    lambda: Attempt.objects.filter(
        trial=Placeholder("trial"), trial_token_digest=Placeholder("digest")
    ).order_by("n")[:1],
    Attempt,
)


def _named_in_path(request: HttpRequest, name: str) -> int:
    """The number of that name in the path, which nobody has checked yet; else 0."""
    match = request.resolver_match
    text = str(match.kwargs.get(name, "")) if match else ""
    plain = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if plain else 0


class LimitedBearer(HttpBearer):
    """A bearer token; each caller may send a limited number of requests a second."""

    def __call__(self, request: HttpRequest) -> Any | None:
        found = super().__call__(request)
        if found is not None:
            key, rate = self.limit_of(found)
            if wait := rate_limits.requests.take(key, rate):
                raise too_many(wait, f"by one caller, who may send {rate} a second")
        return found

    def limit_of(self, found: Any) -> tuple[str, int]:
        """For a trial, a pool's workers or a runner."""
        key = f"{type(self).__name__} {found.pk}"
        return key, settings.WORKER_REQUESTS_PER_SECOND


class WorkerAuth(LimitedBearer):
    """A pool's credential; ``request.auth`` is the pool."""

    def authenticate(self, request: HttpRequest, token: str) -> Pool | None:
        known = (
            WorkerToken.objects.select_related("pool")
            .filter(digest=token_digest(token), revoked_at=None)
            .first()
        )
        if known is None:
            return None
        _note_use(known)
        return known.pool


def _note_use(token: WorkerToken) -> None:
    """Once a minute is often enough: every claim of every slot comes by here."""
    noted = token.last_used_at
    if noted is None or timezone.now() - noted > NOTED_AGAIN_AFTER:
        WorkerToken.objects.filter(pk=token.pk).update(last_used_at=Now())


class RunnerAuth(LimitedBearer):
    """The runner's token of the attempt named in the path; ``request.auth`` is it."""

    def authenticate(self, request: HttpRequest, token: str) -> Attempt | None:
        attempt = (
            Attempt.objects.select_related("trial__sweep__experiment")
            .filter(pk=_named_in_path(request, "attempt_id"))
            .first()
        )
        if attempt and same_digest(token, attempt.runner_token_digest):
            return attempt
        return None


def calling_attempt(request: HttpRequest) -> Attempt:
    """The attempt whose runner calls."""
    attempt: Attempt = request.auth  # type: ignore[attr-defined]
    return attempt


def running_attempt(request: HttpRequest) -> Attempt:
    """The same; raises StaleAttempt once it does not count any more."""
    attempt = calling_attempt(request)
    if attempt.state != AttemptState.RUNNING:
        raise AttemptNotRunning(f"Attempt {attempt.pk} does not count any more.")
    return attempt


@dataclass(frozen=True)
class Caller:
    """A person calling through an API token, with what the token allows."""

    user: User
    scope: str
    expires_at: datetime | None = None


def caller_of_token(request: HttpRequest, secret: str) -> Caller | None:
    """Who calls, if the token is valid; notes its use."""
    program = request.headers.get("User-Agent", "")
    known = ApiToken.use(secret, address=access.address_of(request), program=program)
    if known is None:
        return None
    return Caller(known.user, known.scope, known.expires_at)


def ended_token_text(secret: str) -> str:
    """What its owner should know; empty if the token is unknown."""
    if ApiToken.waits_for_factor(secret):
        return "The token's owner must set up a second factor first, on their profile."
    end = ApiToken.end_of(secret)
    if end is None:
        return ""
    return f"This token ended on {end:%-d %b %Y, %H:%M} UTC. Create another one."


class UserAuth(LimitedBearer):
    """A person's API token; ``request.auth`` is a Caller."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        known = caller_of_token(request, token)
        if known is None and (text := ended_token_text(token)):
            raise ApiError(401, "token_ended", text)
        return known

    def limit_of(self, found: Caller) -> tuple[str, int]:
        """All tokens of a person together."""
        return f"user {found.user.pk}", settings.USER_REQUESTS_PER_SECOND


class TrialAuth(LimitedBearer):
    """A training process's token for its own trial; ``request.auth`` is the attempt."""

    def authenticate(self, request: HttpRequest, token: str) -> Attempt | None:
        if not token.startswith("trl_"):
            return None
        trial = _named_in_path(request, "trial_id") or _named_in_path(request, "run_id")
        digest = token_digest(token)
        if request.method != "GET":
            return TRAINING.first(trial=trial, digest=digest)
        # Reading ends with the attempt; a late report gets another error.
        attempts = Attempt.objects.select_related("trial__sweep__experiment")
        return attempts.filter(
            TAKES_POINTS, trial=trial, trial_token_digest=digest
        ).first()


def caller(request: HttpRequest) -> Caller:
    known: Caller = request.auth  # type: ignore[attr-defined]
    return known


def reader(request: HttpRequest) -> User:
    """The person; every scope may read."""
    return caller(request).user


def writer(request: HttpRequest) -> User:
    """The person, if the token is for more than reading."""
    known = caller(request)
    if known.scope == "read":
        raise PermissionDenied(
            "This token may only read. Make one of scope write on your Profile, or with"
            " manage.py token create --user NAME --scope write."
        )
    return known.user


def manager(request: HttpRequest) -> User:
    """The person, if the token is for managing people and tokens."""
    if caller(request).scope != ApiToken.Scope.ADMIN:
        raise PermissionDenied(
            "This needs a token of scope admin. Make one on your Profile, or with"
            " manage.py token create --user NAME --scope admin."
        )
    return caller(request).user


def administrator(request: HttpRequest) -> User:
    """The person, an administrator of the site, by a token of scope admin."""
    user = manager(request)
    if not access.sees_everything(user):
        raise PermissionDenied("Only administrators of the site may do that.")
    return user


def readable_sweep(request: HttpRequest, sweep_id: int) -> Sweep:
    return access.found_or_404(access.sweeps_for(reader(request)), pk=sweep_id)


def of_experiment(name: str) -> Q:
    """Sweeps of the experiment with that slug or number."""
    plain = name.isascii() and name.isdigit() and len(name) <= MAX_DIGITS
    return Q(experiment=int(name)) if plain else Q(experiment__slug=name)


def steerable_sweep(request: HttpRequest, sweep_id: int) -> Sweep:
    sweep = readable_sweep(request, sweep_id)
    must_steer(request, sweep.experiment)
    return sweep


def own_attempt(request: HttpRequest) -> Attempt | None:
    """The attempt whose training process calls; None when a person does."""
    known = request.auth  # type: ignore[attr-defined]
    return known if isinstance(known, Attempt) else None


def readable_trial(request: HttpRequest, trial_id: int) -> Trial:
    """The trial, for a person of its team or for its own training process."""
    attempt = own_attempt(request)
    if attempt is not None:
        return attempt.trial
    return access.found_or_404(access.trials_for(reader(request)), pk=trial_id)


def steerable_trial(request: HttpRequest, trial_id: int) -> Trial:
    trial = access.found_or_404(access.trials_for(reader(request)), pk=trial_id)
    must_steer(request, trial.experiment)
    return trial


def must_steer(request: HttpRequest, experiment: Experiment) -> None:
    access.check_can_steer(writer(request), experiment.team)


def chosen_team(request: HttpRequest, slug: str | None) -> Team:
    """The team of that slug, else the first that the caller joined and may steer."""
    user = writer(request)
    if slug is not None:
        team = access.found_or_404(access.teams_for(user), slug=slug)
        access.check_can_steer(user, team)
        return team
    own = access.joined_teams(user)
    if not own:
        raise ApiError(
            403, "no_team", "You are in no team in which you may create sweeps."
        )
    return own[0]
