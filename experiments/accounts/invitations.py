"""Invitations: links that let one person join a team."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from experiments import access
from experiments.models import Event, Invitation, Membership, Team, User
from experiments.tokens import new_token, token_digest

DAYS = (1, 7, 30)
DEFAULT_DAYS = 7


class InvitationOver(Exception):
    """It was used or revoked, its time is over, or its maker may no longer invite."""


def invite(
    team: Team, *, role: str, meant_for: str, days: int, actor: User
) -> tuple[Invitation, str]:
    """The invitation and its link, which is not stored."""
    secret = new_token("inv")
    made = Invitation.objects.create(
        team=team,
        role=role,
        meant_for=meant_for,
        digest=secret.digest,
        created_by=actor,
        expires_at=timezone.now() + timedelta(days=days),
    )
    _log("invitation created", made, actor)
    return made, settings.SITE_URL + reverse("invitation", args=(secret.secret,))


def open_invitation(secret: str) -> Invitation:
    """The one of this link. Raises InvitationOver."""
    rows = Invitation.open().select_related("team", "created_by")
    found = rows.filter(digest=token_digest(secret)).first()
    by = found and found.created_by
    if not (found and by and access.can_manage(by, found.team)):
        raise InvitationOver
    return found


def accept(invitation: Invitation, user: User) -> None:
    """Join the team. Raises InvitationOver if the link has been used meanwhile."""
    with transaction.atomic():
        rows = Invitation.open().filter(pk=invitation.pk)
        if not rows.update(used_at=Now(), used_by=user):
            raise InvitationOver
        Membership.objects.create(team=invitation.team, user=user, role=invitation.role)
        _log("invitation accepted", invitation, user)


def revoke_invitation(invitation: Invitation, *, actor: User) -> bool:
    """False: it has been used or revoked meanwhile."""
    revoked = Invitation.open().filter(pk=invitation.pk).update(revoked_at=Now())
    if revoked:
        _log("invitation revoked", invitation, actor)
    return bool(revoked)


def open_invitations(team: Team) -> QuerySet[Invitation]:
    rows = Invitation.open().filter(team=team)
    return rows.select_related("created_by").order_by("expires_at")


def _log(verb: str, invitation: Invitation, actor: User) -> None:
    meant = f" for {invitation.meant_for}" if invitation.meant_for else ""
    Event.log(
        verb,
        f"{invitation.role}{meant}",
        actor=actor,
        team=invitation.team,
        about=invitation,
        data={"invitation": invitation.pk},
    )
