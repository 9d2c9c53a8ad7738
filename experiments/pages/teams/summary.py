"""What a team's page shows: people, pools, savings and the viewer's own tokens."""

from __future__ import annotations

from collections import defaultdict
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
from experiments.cleanup.quotas import quota_warning
from experiments.cleanup.teams import what_goes
from experiments.models import Experiment, Membership, Sweep, Team, User
from experiments.pages.frame import Confirmation, ConfirmationChoice
from experiments.pages.teams.forms import ROLES, PersonForm
from experiments.pages.teams.invitations import invitations_card
from experiments.pages.teams.service_accounts import service_account_rows
from experiments.pages.teams.tokens import team_token_rows, tokens_card
from experiments.scheduling.occupancy import team_slots
from experiments.sweeps import savings
from experiments.sweeps.savings import Saving
from experiments.sweeps.transfer import MAX_NAMED, possible_owners, running_sweeps

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
    removal: Confirmation
    has_second_factor: bool = False

    @property
    def user(self) -> User:
        return self.membership.user


class RemovalQuestions:
    """Before people are removed: with the choice of a new owner of what they run."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.running = defaultdict[int | None, list[str]](list)
        for sweep in running_sweeps(team):
            self.running[sweep.created_by_id].append(str(sweep))
        self.owners = list(possible_owners(team)) if self.running else []

    def of(self, person: User) -> Confirmation:
        team, names = self.team, self.running.get(person.pk, [])
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        running = ", ".join(names[:MAX_NAMED]) + more
        return Confirmation(
            confirm_id=f"remove-{person.pk}",
            title=f"Remove {person.username} from team {team.name}?",
            text=f"{person.display_name} no longer sees this team and its experiments.",
            rows=[
                ("stays", "their account and their running sweeps"),
                *([("running", running)] if names else []),
                ("ends", "access of their API tokens to this team"),
            ],
            action=reverse("member_remove", args=(team.slug, person.pk)),
            verb="Remove",
            keep=f"Keep {person.username}",
            keep_url=reverse("team_detail", args=(team.slug,)),
            choice=self._owners(person) if names else None,
        )

    def _owners(self, person: User) -> ConfirmationChoice:
        others = [each for each in self.owners if each != person]
        names = [(each.username, each.display_name) for each in others]
        label = "Owner of the running sweeps"
        return ConfirmationChoice(
            "owner", label, [("", f"{person.username}, as now"), *names]
        )


def leave_question(team: Team) -> Confirmation:
    return Confirmation(
        confirm_id=f"leave-{team.slug}",
        title=f"Leave team {team.name}?",
        text="You no longer see this team and its experiments. An admin of the team can"
        " add you again.",
        rows=[
            ("stays", "your account, and your sweeps and results in the team"),
            ("ends", "access of your API tokens to this team"),
        ],
        action=reverse("team_leave", args=(team.slug,)),
        verb="Leave team",
        keep="Stay",
        keep_url=reverse("profile"),
    )


def deletion_question(team: Team, problems: Sequence[str], typed: str) -> Confirmation:
    wrong = f"{typed[:100]!r} is not the name of the team." if typed else ""
    return Confirmation(
        confirm_id=f"delete-{team.slug}",
        title=f"Delete team {team.name}?",
        text=" ".join(problems) or "You cannot undo this.",
        rows=[] if problems else what_goes(team),
        action=reverse("team_delete", args=(team.slug,)),
        verb="Try again" if problems else "Delete team",
        keep="Keep the team",
        keep_url=reverse("team_detail", args=(team.slug,)),
        reason_label="" if problems else f"Type {team.name} to confirm",
        reason=typed,
        reason_error="" if problems else wrong,
        is_plain=bool(problems),
    )


def members_of(team: Team) -> Sequence[Member]:
    own = Authenticator.objects.filter(user=OuterRef("user"))
    factors = own.exclude(type=Authenticator.Type.RECOVERY_CODES)
    rows = team.memberships.select_related("user").order_by("user__username")
    memberships = list(rows.annotate(has_factor=Exists(factors)))
    questions = RemovalQuestions(team)
    admins = sum(m.role == Membership.Role.ADMIN for m in memberships)
    return [
        Member(
            m,
            fixed=m.role == Membership.Role.ADMIN and admins == 1,
            removal=questions.of(m.user),
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
        "quota_warning": quota_warning(team) if access.can_steer(user, team) else "",
        "tokens": tokens_card(user),
        "back": reverse("team_detail", args=(team.slug,)),
    }
    people = [m for m in context["members"] if not m.user.service_team_id]
    context["people_count"] = len(people)
    if context["can_manage"]:
        context["without_factor"] = sum(not m.has_second_factor for m in people)
        context["invitations"] = invitations_card(team)
        context["team_tokens"] = team_token_rows(team, user)
        context["service_accounts"] = service_account_rows(team)
    return render(request, "experiments/teams/detail.html", context, status=status)
