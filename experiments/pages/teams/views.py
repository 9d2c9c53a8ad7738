"""A team's page, its people, working in another team, and creating one."""

from __future__ import annotations

import secrets

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments import access
from experiments.models import Event, Membership, Team, User
from experiments.pages.frame import SESSION_KEY, ask
from experiments.pages.teams.forms import PersonForm, TeamForm
from experiments.pages.teams.summary import readable_team, removal_question, team_page

Role = Membership.Role


def managed_team(request: HttpRequest, slug: str) -> tuple[Team, User]:
    """The team and the viewer, who must be one of its admins."""
    team, user = readable_team(request, slug)
    if not access.can_manage(user, team):
        raise PermissionDenied
    return team, user


@require_POST
def member_add(request: HttpRequest, slug: str) -> HttpResponse:
    team, actor = managed_team(request, slug)
    form = PersonForm(request.POST, team=team)
    if not form.is_valid():
        return team_page(request, team, actor, person_form=form, status=422)
    name, role = form.cleaned_data["username"], form.cleaned_data["role"]
    password = "" if form.person else secrets.token_urlsafe(12)
    with transaction.atomic():
        person = form.person or User.objects.create_user(name, password=password)
        Membership.objects.create(team=team, user=person, role=role)
        Event.log(
            "member added",
            f"{name} as {role}",
            actor=actor,
            team=team,
            data={"user": person.pk},
        )
    if not password:
        messages.success(request, f"Added {name} to the team as {role}.")
        return redirect("team_detail", team.slug)
    context = {"team": team, "person": person, "password": password, "role": role}
    return render(request, "experiments/teams/account_made.html", context)


class LastAdmin(Exception):
    """The change would leave the team without an admin."""


def change_role(team: Team, user_id: int, role: Role | None) -> Membership | None:
    """Give a member another role, or remove them (None). Returns the membership as it
    was, or None if there is none. Raises LastAdmin to keep the team an admin."""
    with transaction.atomic():
        # Locked together, so that two admins cannot demote each other at once.
        everyone = list(
            Membership.objects.select_for_update().filter(team=team).order_by("pk")
        )
        member = next((m for m in everyone if m.user_id == user_id), None)
        if member is None:
            return None
        admins = [m for m in everyone if m.role == Role.ADMIN]
        if admins == [member] and role != Role.ADMIN:
            raise LastAdmin
        rows = Membership.objects.filter(pk=member.pk)
        if role is None:
            rows.delete()
        else:
            rows.update(role=role)
    return member


def _refuse(request: HttpRequest, team: Team) -> HttpResponse:
    messages.error(
        request,
        f"Team {team.name} would have no admin. Make another member an admin first.",
    )
    return redirect("team_detail", team.slug)


@require_POST
def member_role(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    team, actor = managed_team(request, slug)
    person = access.found_or_404(User.objects.filter(memberships__team=team), pk=pk)
    role = request.POST.get("role", "")
    if role not in Role.values:
        allowed = ", ".join(Role.values)
        messages.error(request, f"{role!r} is not a role. Use one of {allowed}.")
        return redirect("team_detail", team.slug)
    try:
        before = change_role(team, pk, Role(role))
    except LastAdmin:
        return _refuse(request, team)
    if before is not None and before.role != role:
        change = f"{person.username}: {before.role} to {role}"
        data = {"user": person.pk}
        Event.log("role changed", change, actor=actor, team=team, data=data)
        messages.success(request, f"{person.username} is now {role}.")
    return redirect("team_detail", team.slug)


@require_http_methods(["GET", "POST"])
def member_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """GET asks first, for browsers without scripts."""
    team, actor = managed_team(request, slug)
    person = access.found_or_404(User.objects.filter(memberships__team=team), pk=pk)
    if request.method != "POST":
        return ask(request, removal_question(team, person))
    try:
        before = change_role(team, pk, None)
    except LastAdmin:
        return _refuse(request, team)
    if before is not None:
        Event.log(
            "member removed",
            f"{person.username}, {before.role}",
            actor=actor,
            team=team,
            data={"user": person.pk},
        )
        messages.success(request, f"{person.username} is no longer in the team.")
    if person == actor:
        return redirect("home")
    return redirect("team_detail", team.slug)


@require_GET
def team_detail(request: HttpRequest, slug: str) -> HttpResponse:
    team, user = readable_team(request, slug)
    return team_page(request, team, user)


@require_POST
def team_switch(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Work in another team: home and lists show it from now on."""
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
    """The team with its pools; its creator becomes its first admin."""
    team: Team = form.save()
    team.pools.set(form.cleaned_data["pools"])
    Membership.objects.create(team=team, user=user, role=Membership.Role.ADMIN)
    Event.log("team created", team.name, actor=user, team=team)
    return team


MEMBERS = "teams/<slug:slug>/members"
urlpatterns = [
    path("teams/new/", team_create, name="team_create"),
    path("teams/switch/", team_switch, name="team_switch"),
    path("teams/<slug:slug>/switch/", team_switch, name="team_switch"),
    path("teams/<slug:slug>/", team_detail, name="team_detail"),
    path(f"{MEMBERS}/", member_add, name="member_add"),
    path(f"{MEMBERS}/<int:pk>/role/", member_role, name="member_role"),
    path(f"{MEMBERS}/<int:pk>/remove/", member_remove, name="member_remove"),
]
