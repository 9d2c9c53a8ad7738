"""Invitations to a team: making and revoking them, and the page that a link opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access
from experiments.accounts.invitations import (
    DAYS,
    DEFAULT_DAYS,
    InvitationOver,
    accept,
    invite,
    open_invitation,
    open_invitations,
    revoke_invitation,
)
from experiments.models import Invitation, Membership, Team, User
from experiments.models.fields import VisibleTextForm
from experiments.pages.accounts.login import log_in
from experiments.pages.accounts.single_sign_on import to_provider
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    form_page,
    get_or_post,
    managed_team,
)
from experiments.pages.teams.forms import ROLES

# In the session of a person who logs in by the provider: the invitation that they use.
JOINS = "joins"


class InvitationForm(VisibleTextForm, forms.Form):
    meant_for = forms.CharField(
        label="For",
        required=False,
        max_length=100,
        help_text="A name or an e-mail address, for this list. No e-mail is sent.",
    )
    role = forms.ChoiceField(choices=ROLES, initial=Membership.Role.MEMBER)
    days = forms.TypedChoiceField(
        label="Link works for",
        coerce=int,
        initial=DEFAULT_DAYS,
        choices=[(days, f"{days} day{'s' * (days > 1)}") for days in DAYS],
    )


class NewAccountForm(VisibleTextForm, UserCreationForm):  # type: ignore[type-arg]
    """The name and password of the person who was invited."""

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name")


@dataclass(frozen=True)
class InvitationsCard:
    rows: Sequence[tuple[Invitation, Confirmation]]
    form: InvitationForm


def invitations_card(team: Team) -> InvitationsCard:
    rows = [(row, revocation_question(row)) for row in open_invitations(team)]
    return InvitationsCard(rows, InvitationForm())


def revocation_question(invitation: Invitation) -> Confirmation:
    team = invitation.team
    named = f" for {invitation.meant_for}" if invitation.meant_for else ""
    return Confirmation(
        confirm_id=f"invitation-{invitation.pk}",
        title=f"Revoke the invitation{named}?",
        text="Its link no longer works. You can make another one.",
        rows=[("role", invitation.role)],
        action=reverse("invitation_revoke", args=(team.slug, invitation.pk)),
        verb="Revoke invitation",
        keep="Keep invitation",
        keep_url=reverse("team_detail", args=(team.slug,)),
    )


def invitation_create(request: HttpRequest, slug: str) -> HttpResponse:
    """Only this answer contains the link."""
    team, user = managed_team(request, slug)
    form = InvitationForm(request.POST or None)
    template = "experiments/teams/invitation_form.html"
    if request.method != "POST" or not form.is_valid():
        return form_page(request, template, form, team=team)
    made, link = invite(team, actor=user, **form.cleaned_data)
    context = {"team": team, "invitation": made, "link": link}
    return render(request, "experiments/teams/invitation_made.html", context)


def invitation_revoke(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    team, user = managed_team(request, slug)
    rows = open_invitations(team).select_related("team")
    invitation = access.found_or_404(rows, pk=pk)
    if request.method != "POST":
        return ask(request, revocation_question(invitation))

    def revoke() -> str:
        revoke_invitation(invitation, actor=user)
        return "Revoked the invitation."

    return act(request, reverse("team_detail", args=(team.slug,)), revoke)


@login_not_required
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """What a person sees who opens the link: a form for a new account, or a button."""
    try:
        return _opened(request, open_invitation(secret))
    except InvitationOver:
        return render(request, "experiments/teams/invitation_over.html", status=404)


def _opened(request: HttpRequest, found: Invitation) -> HttpResponse:
    if isinstance(request.user, User):
        return _join_as(request, found, request.user)
    if not settings.PASSWORD_LOGIN:
        return _join_by_provider(request, found)
    form = NewAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _join_anew(request, found, form)
    return _page(request, found, form)


def _page(request: HttpRequest, found: Invitation, form: Any) -> HttpResponse:
    member = found.team.memberships.filter(user=request.user.pk).first()
    return form_page(
        request,
        "experiments/teams/join.html",
        form,
        invitation=found,
        member=member,
        provider="" if settings.PASSWORD_LOGIN else settings.SSO.name,
    )


def _join_by_provider(request: HttpRequest, found: Invitation) -> HttpResponse:
    """They join when they come back from the provider's login."""
    if request.method != "POST":
        return _page(request, found, forms.Form())
    request.session[JOINS] = found.pk
    return to_provider(request, request.path)


def _join_as(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    member = found.team.memberships.filter(user=user).exists()
    wants = request.method == "POST" or request.session.pop(JOINS, 0) == found.pk
    if not wants or member:
        return _page(request, found, forms.Form())
    accept(found, user)
    return redirect("team_detail", found.team.slug)


def _join_anew(
    request: HttpRequest, found: Invitation, form: NewAccountForm
) -> HttpResponse:
    with transaction.atomic():
        user: User = form.save()
        accept(found, user)
    return log_in(request, user, reverse("team_detail", args=(found.team.slug,)))


INVITATIONS = "teams/<slug:slug>/invitations"
urlpatterns = [
    get_or_post(f"{INVITATIONS}/new/", invitation_create, "invitation_create"),
    get_or_post(
        f"{INVITATIONS}/<int:pk>/revoke/", invitation_revoke, "invitation_revoke"
    ),
    get_or_post("join/<str:secret>/", invitation, "invitation"),
]
