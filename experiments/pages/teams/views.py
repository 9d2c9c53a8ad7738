"""A team's page, its people, working in another team, and creating one."""

from __future__ import annotations

import secrets

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access, lifecycle
from experiments.models import Event, Membership, Team, User
from experiments.pages.frame import (
    SESSION_KEY,
    act,
    ask,
    form_page,
    get,
    get_or_post,
    managed_team,
    post,
    readable_team,
)
from experiments.pages.teams.forms import PersonForm, TeamForm
from experiments.pages.teams.summary import removal_question, team_page
from experiments.sweeps.control import NotPossible

Role = Membership.Role


def member_add(request: HttpRequest, slug: str) -> HttpResponse:
    team, actor = managed_team(request, slug)
    form = PersonForm(request.POST, team=team)
    if not form.is_valid():
        return team_page(request, team, actor, person_form=form, status=422)
    name, role = form.cleaned_data["username"], form.cleaned_data["role"]
    password = "" if form.person else secrets.token_urlsafe(12)
    with transaction.atomic():
        person = form.person or User.objects.create_user(
            name, password=password, must_change_password=True
        )
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


def change_role(team: Team, user_id: int, role: Role | None) -> Membership | None:
    """Give a member another role, or remove them (None). Returns the membership as it
    was, or None if there is none. Raises NotPossible to keep the team an admin."""
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
            raise NotPossible(
                f"Team {team.name} would have no admin. Make another member an admin"
                " first."
            )
        rows = Membership.objects.filter(pk=member.pk)
        if role is None:
            rows.delete()
        else:
            rows.update(role=role)
        lifecycle.revoke_run_tokens([user_id])
    return member


def member_role(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    team, actor = managed_team(request, slug)
    person = access.found_or_404(User.objects.filter(memberships__team=team), pk=pk)
    role = request.POST.get("role", "")

    def change() -> str:
        if role not in Role.values:
            allowed = ", ".join(Role.values)
            raise NotPossible(f"{role!r} is not a role. Use one of {allowed}.")
        before = change_role(team, pk, Role(role))
        if before is None or before.role == role:
            return ""
        text, data = f"{person.username}: {before.role} to {role}", {"user": pk}
        Event.log("role changed", text, actor=actor, team=team, data=data)
        return f"{person.username} is now {role}."

    return act(request, reverse("team_detail", args=(team.slug,)), change)


def member_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """GET asks first, for browsers without scripts."""
    team, actor = managed_team(request, slug)
    person = access.found_or_404(User.objects.filter(memberships__team=team), pk=pk)
    if request.method != "POST":
        return ask(request, removal_question(team, person))

    def remove() -> str:
        before = change_role(team, pk, None)
        if before is None:
            return ""
        text, data = f"{person.username}, {before.role}", {"user": pk}
        Event.log("member removed", text, actor=actor, team=team, data=data)
        return f"{person.username} is no longer in the team."

    answer = act(request, reverse("team_detail", args=(team.slug,)), remove)
    if person == actor and not team.memberships.filter(user=actor).exists():
        return redirect("home")
    return answer


def team_detail(request: HttpRequest, slug: str) -> HttpResponse:
    team, user = readable_team(request, slug)
    return team_page(request, team, user)


def team_switch(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Work in another team: home and lists show it from now on."""
    teams = access.teams_for(access.viewer(request))
    team = access.found_or_404(teams, slug=slug or request.POST.get("team", ""))
    request.session[SESSION_KEY] = team.slug
    return redirect("home")


def team_create(request: HttpRequest) -> HttpResponse:
    user = access.viewer(request)
    if not user.is_superuser:
        raise PermissionDenied
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        team = _make(form, user)
        request.session[SESSION_KEY] = team.slug
        return redirect("team_detail", team.slug)
    return form_page(request, "experiments/teams/form.html", form)


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
    get_or_post("teams/new/", team_create, "team_create"),
    post("teams/switch/", team_switch, "team_switch"),
    post("teams/<slug:slug>/switch/", team_switch, "team_switch"),
    get("teams/<slug:slug>/", team_detail, "team_detail"),
    post(f"{MEMBERS}/", member_add, "member_add"),
    post(f"{MEMBERS}/<int:pk>/role/", member_role, "member_role"),
    get_or_post(f"{MEMBERS}/<int:pk>/remove/", member_remove, "member_remove"),
]
