"""Teams: the page of one, going to another, and making one."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import access
from experiments.models import Event, Membership, Team, User
from experiments.pages.context import SESSION_KEY
from experiments.pages.teams import members
from experiments.pages.teams.forms import TeamForm
from experiments.pages.teams.summary import readable_team, team_page


@require_GET
def team_detail(request: HttpRequest, slug: str) -> HttpResponse:
    team, user = readable_team(request, slug)
    return team_page(request, team, user)


@require_POST
def team_switch(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Work in another team: home and the lists show it from now on."""
    teams = access.teams_for(access.viewer(request))
    team = access.found_or_404(teams, slug=slug or request.POST.get("team", ""))
    request.session[SESSION_KEY] = team.slug
    return redirect("home")


@require_http_methods(["GET", "POST"])
def team_create(request: HttpRequest) -> HttpResponse:
    user = access.viewer(request)
    if not user.is_superuser:
        raise PermissionDenied
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        team = _make(form, user)
        request.session[SESSION_KEY] = team.slug
        return redirect("team_detail", team.slug)
    status = 422 if form.errors else 200
    template = "experiments/teams/form.html"
    return render(request, template, {"form": form}, status=status)


@transaction.atomic
def _make(form: TeamForm, user: User) -> Team:
    """The team with its pools; whoever makes it is its first admin."""
    team: Team = form.save()
    team.pools.set(form.cleaned_data["pools"])
    Membership.objects.create(team=team, user=user, role=Membership.Role.ADMIN)
    Event.log("team created", team.name, actor=user, team=team)
    return team


urlpatterns: list[URLPattern] = [
    path("teams/new/", team_create, name="team_create"),
    path("teams/switch/", team_switch, name="team_switch"),
    path("teams/<slug:slug>/switch/", team_switch, name="team_switch"),
    path("teams/<slug:slug>/", team_detail, name="team_detail"),
    *members.urlpatterns,
]
