"""Who is calling: one authenticator for each kind of token.

Tokens come in the Authorization header only and never as a cookie, so that no other
site can make a browser call the API.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from experiments.ingest import StaleAttempt
from experiments.models import ApiToken, Attempt, Pool, User, WorkerToken
from experiments.models.trials import AttemptState
from experiments.statements import SelectObject, Slot
from experiments.tokens import same_digest, token_digest

# More digits than a row's number has.
MOST_DIGITS = 18
NOTED_AGAIN_AFTER = timedelta(minutes=1)
TRAINING = SelectObject(
    lambda: Attempt.objects.filter(
        trial=Slot("trial"), trial_token_digest=Slot("digest")
    ).order_by("n")[:1],
    Attempt,
)


def _named_in_path(request: HttpRequest, name: str) -> int:
    """The number of that name in the path, which nobody has checked yet; else 0."""
    match = request.resolver_match
    text = str(match.kwargs.get(name, "")) if match else ""
    plain = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(text) if plain else 0


class WorkerAuth(HttpBearer):
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


class RunnerAuth(HttpBearer):
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
        raise StaleAttempt(f"Attempt {attempt.pk} does not count any more.")
    return attempt


@dataclass(frozen=True)
class Caller:
    """A person calling through an API token, with what the token allows."""

    user: User
    scope: str


class UserAuth(HttpBearer):
    """A person's API token; ``request.auth`` is a Caller."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        known = ApiToken.use(token)
        return None if known is None else Caller(known.user, known.scope)


class TrialAuth(HttpBearer):
    """A training process's token for its own trial; ``request.auth`` is the attempt."""

    def authenticate(self, request: HttpRequest, token: str) -> Attempt | None:
        if not token.startswith("trl_"):
            return None
        trial, digest = _named_in_path(request, "trial_id"), token_digest(token)
        if request.method != "GET":
            return TRAINING.first(trial=trial, digest=digest)
        # Reading ends with the attempt; a late report is told so by its own code.
        attempts = Attempt.objects.select_related("trial__sweep__experiment")
        return attempts.filter(
            trial=trial, trial_token_digest=digest, state=AttemptState.RUNNING
        ).first()
