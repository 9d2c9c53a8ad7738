"""A team's service accounts, which have tokens but never log in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from experiments import access
from experiments.accounts.people import (
    close_service_account,
    create_service_account,
    free_name,
)
from experiments.models import ApiToken, Membership, Team, User
from experiments.models.fields import VisibleTextForm
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    form_page,
    get_or_post,
    managed_team,
)
from experiments.pages.teams.forms import ROLES
from experiments.pages.teams.tokens import revocation_question


class ServiceAccountForm(VisibleTextForm, forms.Form):
    username = forms.CharField(
        label="Name",
        max_length=150,
        help_text="Such as vision-ci. It is shown as the author of its sweeps.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    role = forms.ChoiceField(choices=ROLES, initial=Membership.Role.MEMBER)

    def clean_username(self) -> str:
        return free_name(self.cleaned_data["username"])


@dataclass(frozen=True)
class ServiceAccountRow:
    account: User
    tokens: Sequence[tuple[ApiToken, Confirmation]]
    closing: Confirmation


def service_account_rows(team: Team) -> list[ServiceAccountRow]:
    accounts = team.service_accounts.filter(is_active=True).order_by("username")
    tokens = ApiToken.objects.filter(user__in=accounts, revoked_at=None)
    by_account = defaultdict(list)
    for token in tokens.select_related("team").order_by("-pk"):
        by_account[token.user_id].append((token, revocation_question(token)))
    return [
        ServiceAccountRow(account, by_account[account.pk], _closing(team, account))
        for account in accounts
    ]


def _closing(team: Team, account: User) -> Confirmation:
    return Confirmation(
        confirm_id=f"close-{account.pk}",
        title=f"Close the service account {account.username}?",
        text="Programs with its tokens are refused from now on. You cannot undo this,"
        " and its name stays taken.",
        rows=[("stays", "its sweeps and their results")],
        action=reverse("service_account_close", args=(team.slug, account.pk)),
        verb="Close account",
        keep="Keep account",
        keep_url=reverse("team_detail", args=(team.slug,)),
    )


def service_account_create(request: HttpRequest, slug: str) -> HttpResponse:
    team, user = managed_team(request, slug)
    form = ServiceAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        account = create_service_account(
            team, form.cleaned_data["username"], form.cleaned_data["role"], actor=user
        )
        back = reverse("team_detail", args=(team.slug,))
        to = reverse("token_create", query={"account": account.pk, "back": back})
        return redirect(to)
    template = "experiments/teams/service_account_form.html"
    return form_page(request, template, form, team=team)


def service_account_close(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    team, user = managed_team(request, slug)
    accounts = team.service_accounts.filter(is_active=True)
    account = access.found_or_404(accounts.select_related("service_team"), pk=pk)
    if request.method != "POST":
        return ask(request, _closing(team, account))

    def close() -> str:
        close_service_account(account, actor=user)
        return f"Closed the service account {account.username}."

    return act(request, reverse("team_detail", args=(team.slug,)), close)


ACCOUNTS = "teams/<slug:slug>/service-accounts"
urlpatterns = [
    get_or_post(f"{ACCOUNTS}/new/", service_account_create, "service_account_create"),
    get_or_post(
        f"{ACCOUNTS}/<int:pk>/close/", service_account_close, "service_account_close"
    ),
]
