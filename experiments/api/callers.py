"""Who calls, and what they may reach: the first line of every route.

What somebody may not see is a 404, so that its existence does not leak; what they see
and may not change is a 403.
"""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest

from experiments import access
from experiments.api.auth import MOST_DIGITS, Caller
from experiments.api.errors import ApiError
from experiments.models import Attempt, Experiment, Sweep, Team, Trial, User


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
            "This token may only read. Make one of scope write:"
            " manage.py token create --user NAME --scope write."
        )
    return known.user


def readable_sweep(request: HttpRequest, sweep_id: int) -> Sweep:
    return access.found_or_404(access.sweeps_for(reader(request)), pk=sweep_id)


def of_experiment(name: str) -> Q:
    """Sweeps of the experiment with that slug or number."""
    plain = name.isascii() and name.isdigit() and len(name) <= MOST_DIGITS
    return Q(experiment=int(name)) if plain else Q(experiment__slug=name)


def steerable_sweep(request: HttpRequest, sweep_id: int) -> Sweep:
    sweep = readable_sweep(request, sweep_id)
    _must_steer(request, sweep.experiment)
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
    _must_steer(request, trial.experiment)
    return trial


def _must_steer(request: HttpRequest, experiment: Experiment) -> None:
    if not access.can_steer(writer(request), experiment.team):
        raise PermissionDenied(
            f"You are a viewer of team {experiment.team.name}; members and admins may"
            " do that."
        )


def chosen_team(request: HttpRequest, slug: str | None) -> Team:
    """The team of that slug, else the first, by name, that the caller may steer."""
    user = writer(request)
    if slug is not None:
        team = access.found_or_404(access.teams_for(user), slug=slug)
        if not access.can_steer(user, team):
            raise PermissionDenied(f"You are a viewer of team {team.name}.")
        return team
    first = access.teams_for(user, roles=access.STEERERS).order_by("name").first()
    if first is None:
        raise ApiError(
            403, "no_team", "You are in no team in which you may create sweeps."
        )
    return first
