"""Links that show the report of a sweep to people without an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from experiments import access
from experiments.models import Event, ReportLink, Sweep, User
from experiments.tokens import new_token, token_digest

PartName = Literal["trials", "notes", "document"]
# What a report has besides its summary, best configuration and charts.
PARTS: Mapping[PartName, str] = {
    "trials": "Table of the best trials",
    "notes": "Description and notes",
    "document": "Search space, command, algorithm and limits",
}
USUAL_PARTS: list[PartName] = ["trials"]
DAYS = (1, 7, 30, 90, 365)
DEFAULT_DAYS = 7
MAX_LINKS = 50
# Openings are noted again after this time.
NOTED_AFTER = timedelta(hours=1)


class ReportLinkOver(Exception):
    """It was revoked or has expired, its maker may no longer run sweeps in the team, or
    the site has switched links off."""


class ReportLinkRefused(ValueError):
    """A sentence that says why no link can be made."""


def days_to_choose() -> list[int]:
    """How long a new link may work; none if links are switched off."""
    most = settings.REPORT_LINK_DAYS
    return [days for days in DAYS if days <= most] or [most] * bool(most)


def make_link(
    sweep: Sweep, *, days: int, meant_for: str, parts: Sequence[str], actor: User
) -> tuple[ReportLink, str]:
    """The link, and its address, which is not stored. Raises ReportLinkRefused."""
    most = settings.REPORT_LINK_DAYS
    if not most:
        raise ReportLinkRefused("Report links are switched off on this site.")
    if not 1 <= days <= most:
        raise ReportLinkRefused(f"days is {days}. Use a number from 1 to {most}.")
    if open_links(sweep).count() >= MAX_LINKS:
        raise ReportLinkRefused(
            f"{sweep} has {MAX_LINKS} report links that work. Revoke one first."
        )
    secret = new_token("rep")
    made = ReportLink.objects.create(
        sweep=sweep,
        meant_for=meant_for,
        parts=[part for part in PARTS if part in parts],
        digest=secret.digest,
        created_by=actor,
        expires_at=timezone.now() + timedelta(days=days),
    )
    _log("report link created", made, actor)
    return made, settings.SITE_URL + reverse("shared_report", args=(secret.secret,))


def opened_link(secret: str) -> ReportLink:
    """The one of this secret; that it was opened is noted. Raises ReportLinkOver."""
    rows = ReportLink.open().select_related("sweep__experiment__team", "created_by")
    found = rows.filter(digest=token_digest(secret)).first()
    if found is None or not settings.REPORT_LINK_DAYS or not _maker_may(found):
        raise ReportLinkOver
    old = Q(opened_at=None) | Q(opened_at__lt=timezone.now() - NOTED_AFTER)
    noted = ReportLink.objects.filter(old, pk=found.pk).update(opened_at=Now())
    if noted:
        _log("report opened by link", found, None)
    return found


def _maker_may(link: ReportLink) -> bool:
    by = link.created_by
    return by is not None and access.can_steer(by, link.sweep.experiment.team)


def revoke_link(link: ReportLink, *, actor: User) -> bool:
    """False: it had ended already."""
    revoked = ReportLink.open().filter(pk=link.pk).update(revoked_at=Now())
    if revoked:
        _log("report link revoked", link, actor)
    return bool(revoked)


def open_links(sweep: Sweep) -> QuerySet[ReportLink]:
    return ReportLink.open().filter(sweep=sweep).select_related("created_by")


def _log(verb: str, link: ReportLink, actor: User | None) -> None:
    facts = [f"for {link.meant_for}"] if link.meant_for else []
    facts.append(f"until {link.expires_at:%Y-%m-%d %H:%M} UTC")
    if link.parts:
        facts.append(f"with {', '.join(link.parts)}")
    Event.log(
        verb,
        ", ".join(facts),
        actor=actor,
        sweep=link.sweep,
        about=link,
        data={"report_link": link.pk},
    )
