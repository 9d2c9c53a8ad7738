"""Giving an experiment or a sweep to another team."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from experiments import access
from experiments.models import Experiment, Sweep, Team, User
from experiments.pages.frame import act, get_or_post, set_team, sweep_to_read
from experiments.sweeps.transfer import (
    TransferPlan,
    transfer_experiment,
    transfer_sweep,
)


def experiment_transfer(request: HttpRequest, pk: int) -> HttpResponse:
    mine = access.experiments_for(access.viewer(request))
    experiment = access.found_or_404(mine, pk=pk)
    return _page(request, experiment, experiment.team)


def sweep_transfer(request: HttpRequest, pk: int) -> HttpResponse:
    sweep = sweep_to_read(request, pk)
    return _page(request, sweep, sweep.experiment.team)


def _page(request: HttpRequest, item: Experiment | Sweep, owner: Team) -> HttpResponse:
    """Choose a team, read what changes, transfer."""
    user = access.viewer(request)
    if not access.can_manage(user, owner):
        raise PermissionDenied
    set_team(request, owner)
    teams = access.teams_for(user, roles=access.STEERERS).exclude(pk=owner.pk)
    slug = request.POST.get("team") or request.GET.get("team", "")
    team = access.found_or_404(teams, slug=slug) if slug else None
    if request.method == "POST" and team is not None:
        return act(request, item.get_absolute_url(), lambda: _do(item, team, user))
    context: dict[str, Any] = {
        "item": item,
        "owner": owner,
        "teams": teams.order_by("name"),
        "chosen": team,
        "plan": TransferPlan.of(item, team) if team else None,
    }
    return render(request, "experiments/teams/transfer.html", context)


def _do(item: Experiment | Sweep, team: Team, actor: User) -> str:
    if isinstance(item, Experiment):
        transfer_experiment(item, team, actor=actor)
    else:
        item = transfer_sweep(item, team, actor=actor)
    return f"{item} now belongs to team {team.name}."


urlpatterns = [
    get_or_post(
        "experiments/<int:pk>/transfer/", experiment_transfer, "experiment_transfer"
    ),
    get_or_post("sweeps/<int:pk>/transfer/", sweep_transfer, "sweep_transfer"),
]
