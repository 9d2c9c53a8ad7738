"""A team's page, its people, working in another team, and creating one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from experiments import access
from experiments.accounts.members import add_member, change_role, remove_member
from experiments.accounts.teams import create_team, rename_team, require_second_factor
from experiments.cleanup.teams import delete_team, what_remains
from experiments.models import Membership, Team, User
from experiments.pages.frame import (
    SESSION_KEY,
    act,
    administrator,
    after_recent_login,
    ask,
    form_page,
    get,
    get_or_post,
    managed_team,
    post,
    readable_team,
)
from experiments.pages.teams.forms import PersonForm, TeamForm, TeamNameForm
from experiments.pages.teams.summary import (
    RemovalQuestions,
    deletion_question,
    leave_question,
    team_page,
)
from experiments.sweeps.control import NotPossible

Role = Membership.Role


def member_add(request: HttpRequest, slug: str) -> HttpResponse:
    team, actor = managed_team(request, slug)
    form = PersonForm(request.POST, team=team)
    if not form.is_valid():
        return team_page(request, team, actor, person_form=form, status=422)
    person, role = form.person, form.cleaned_data["role"]

    def add() -> str:
        add_member(team, person, role, actor=actor)
        return f"Added {person.username} to the team as {role}."

    return act(request, reverse("team_detail", args=(team.slug,)), add)


def member_role(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    team, actor = managed_team(request, slug)
    person = access.found_or_404(User.objects.filter(memberships__team=team), pk=pk)
    role = request.POST.get("role", "")

    def change() -> str:
        if role not in Role.values:
            allowed = ", ".join(Role.values)
            raise NotPossible(f"{role!r} is not a role. Use one of {allowed}.")
        changed = change_role(team, person, role, actor=actor)
        return f"{person.username} is now {role}." if changed else ""

    return act(request, reverse("team_detail", args=(team.slug,)), change)


def member_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """GET asks first, for browsers without scripts."""
    team, actor = managed_team(request, slug)
    person = access.found_or_404(User.objects.filter(memberships__team=team), pk=pk)
    if request.method != "POST":
        return ask(request, RemovalQuestions(team).of(person))

    def remove() -> str:
        owner = request.POST.get("owner", "")
        removed = remove_member(team, person, owner, actor=actor)
        return f"{person.username} is no longer in the team." if removed else ""

    answer = act(request, reverse("team_detail", args=(team.slug,)), remove)
    if person == actor and not team.memberships.filter(user=actor).exists():
        return redirect("home")
    return answer


def team_leave(request: HttpRequest, slug: str) -> HttpResponse:
    user = access.viewer(request)
    team = access.found_or_404(Team.objects.filter(memberships__user=user), slug=slug)
    if request.method != "POST":
        return ask(request, leave_question(team))

    def leave() -> str:
        left = change_role(team, user, None, actor=user)
        return f"You are no longer in team {team.name}." if left else ""

    return act(request, reverse("profile"), leave)


def team_detail(request: HttpRequest, slug: str) -> HttpResponse:
    team, user = readable_team(request, slug)
    return team_page(request, team, user)


@after_recent_login
def team_rename(request: HttpRequest, slug: str) -> HttpResponse:
    """Its address stays."""
    team, actor = managed_team(request, slug)
    form = TeamNameForm(request.POST or None, instance=team)
    if request.method == "POST" and form.is_valid():
        rename_team(team, form.cleaned_data["name"], actor=actor)
        return redirect("team_detail", slug)
    return form_page(request, "experiments/teams/rename.html", form)


@after_recent_login
def team_delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Only of a team without experiments, and after its name was typed."""
    team, actor = managed_team(request, slug)
    problems, typed = list(what_remains(team)), request.POST.get("reason", "").strip()
    if problems or typed != team.name:
        question = deletion_question(team, problems, typed)
        return ask(request, question, status=422 if typed else 200)

    def delete() -> str:
        delete_team(team, actor=actor)
        return f"Team {team.name} was deleted."

    return act(request, "home", delete)


@after_recent_login
def team_rules(request: HttpRequest, slug: str) -> HttpResponse:
    """What the team requires of its people."""
    team, actor = managed_team(request, slug)
    if request.method != "POST":
        return redirect("team_detail", team.slug)
    wanted = "requires_second_factor" in request.POST
    require_second_factor(team, wanted, actor=actor)
    messages.success(request, f"Saved the rules of team {team.name}.")
    return redirect("team_detail", team.slug)


def team_switch(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Work in another team: home and lists show it from now on."""
    teams = access.teams_for(access.viewer(request))
    team = access.found_or_404(teams, slug=slug or request.POST.get("team", ""))
    request.session[SESSION_KEY] = team.slug
    return redirect("home")


def team_create(request: HttpRequest) -> HttpResponse:
    user = administrator(request)
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pools = form.cleaned_data["pools"]
        team = create_team(form.save(commit=False), pools, actor=user)
        request.session[SESSION_KEY] = team.slug
        return redirect("team_detail", team.slug)
    return form_page(request, "experiments/teams/form.html", form)


MEMBERS = "teams/<slug:slug>/members"
urlpatterns = [
    get_or_post("teams/new/", team_create, "team_create"),
    post("teams/switch/", team_switch, "team_switch"),
    post("teams/<slug:slug>/switch/", team_switch, "team_switch"),
    get("teams/<slug:slug>/", team_detail, "team_detail"),
    get_or_post("teams/<slug:slug>/leave/", team_leave, "team_leave"),
    get_or_post("teams/<slug:slug>/rename/", team_rename, "team_rename"),
    get_or_post("teams/<slug:slug>/delete/", team_delete, "team_delete"),
    get_or_post("teams/<slug:slug>/rules/", team_rules, "team_rules"),
    post(f"{MEMBERS}/", member_add, "member_add"),
    post(f"{MEMBERS}/<int:pk>/role/", member_role, "member_role"),
    get_or_post(f"{MEMBERS}/<int:pk>/remove/", member_remove, "member_remove"),
]
