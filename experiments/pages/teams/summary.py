"""What a team's page shows: people, pools, savings and the viewer's own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from experiments import access
from experiments.models import Experiment, Membership, Sweep, Team, User
from experiments.pages.frame import Confirmation
from experiments.pages.teams.forms import ROLES, PersonForm
from experiments.pages.teams.invitations import invitations_card
from experiments.pages.teams.service_accounts import service_account_rows
from experiments.pages.teams.tokens import tokens_card
from experiments.scheduling.occupancy import team_slots
from experiments.sweeps import savings
from experiments.sweeps.savings import Saving

MAX_MONTHS = 12


@dataclass(frozen=True)
class MonthRow:
    """``seconds`` of ``most``, both whole numbers, are drawn as a bar."""

    name: str
    saving: Saving
    seconds: int
    most: int


@dataclass(frozen=True)
class Savings:
    """The latest months, the latest first, and the sum of all months."""

    rows: Sequence[MonthRow]
    total: Saving
    earlier: int

    @property
    def has_gpus(self) -> bool:
        return self.total.gpu_seconds > 0

    @property
    def has_money(self) -> bool:
        return self.total.money is not None


def savings_of(team: Team) -> Savings:
    lines = savings.monthly_savings(Sweep.objects.filter(experiment__team=team))
    months = savings.by_month(lines)
    latest = list(reversed(months.items()))[:MAX_MONTHS]
    most = max((round(saving.seconds) for _, saving in latest), default=0)
    rows = [
        MonthRow(_name(month), saving, round(saving.seconds), max(most, 1))
        for month, saving in latest
    ]
    total = savings.total(months.values())
    return Savings(rows, total, len(months) - len(rows))


def _name(month: str) -> str:
    """``Nov 2026`` for ``2026-11``."""
    return f"{datetime.strptime(month, '%Y-%m'):%b %Y}"


@dataclass(frozen=True)
class Member:
    """One row of the list of people. ``fixed``: the only admin, who must stay admin."""

    membership: Membership
    fixed: bool
    team: Team
    has_second_factor: bool = False

    @property
    def user(self) -> User:
        return self.membership.user

    @property
    def removal(self) -> Confirmation:
        return removal_question(self.team, self.user)


def removal_question(team: Team, person: User) -> Confirmation:
    return Confirmation(
        confirm_id=f"remove-{person.pk}",
        title=f"Remove {person.username} from team {team.name}?",
        text=f"{person.display_name} no longer sees this team and its experiments.",
        rows=[
            ("stays", "their account and their running sweeps"),
            ("ends", "access of their API tokens to this team"),
        ],
        action=reverse("member_remove", args=(team.slug, person.pk)),
        verb="Remove",
        keep=f"Keep {person.username}",
        keep_url=reverse("team_detail", args=(team.slug,)),
    )


def members_of(team: Team) -> Sequence[Member]:
    own = Authenticator.objects.filter(user=OuterRef("user"))
    factors = own.exclude(type=Authenticator.Type.RECOVERY_CODES)
    rows = team.memberships.select_related("user").order_by("user__username")
    memberships = list(rows.annotate(has_factor=Exists(factors)))
    admins = sum(m.role == Membership.Role.ADMIN for m in memberships)
    return [
        Member(
            m,
            fixed=m.role == Membership.Role.ADMIN and admins == 1,
            team=team,
            has_second_factor=m.has_factor,
        )
        for m in memberships
    ]


def team_page(
    request: HttpRequest,
    team: Team,
    user: User,
    *,
    person_form: PersonForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "team": team,
        "members": members_of(team),
        "roles": ROLES,
        "pools": team_slots(team).pools,
        "savings": savings_of(team),
        "experiment_count": Experiment.objects.filter(
            team=team, archived_at=None
        ).count(),
        "can_manage": access.can_manage(user, team),
        "person_form": person_form or PersonForm(team=team),
        "tokens": tokens_card(user),
        "back": reverse("team_detail", args=(team.slug,)),
    }
    if context["can_manage"]:
        people = [m for m in context["members"] if not m.user.service_team_id]
        context["without_factor"] = sum(not m.has_second_factor for m in people)
        context["invitations"] = invitations_card(team)
        context["service_accounts"] = service_account_rows(team)
    return render(request, "experiments/teams/detail.html", context, status=status)
