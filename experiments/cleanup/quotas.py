"""How much space each team may use. Over its quota, a team's new trials wait.

Only a measurement, or a new quota, changes who is over: the scheduler reads one column
of the team.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now
from django.urls import reverse

from experiments import origin
from experiments.formatting import bytes_text, share_text
from experiments.models import (
    Event,
    Notification,
    NotificationKind,
    SpaceUsage,
    Sweep,
    Team,
    User,
)
from experiments.models.sweeps import SweepState
from experiments.search.document.limits import bytes_of
from experiments.sweeps.control import NotPossible

ADVICE = "Free space on the cleanup page, or ask an administrator for a larger quota."
MAX_QUOTA = 10**18
# The share of a quota from which pages warn.
WARNED_AT = 0.8
NEAR, OVER, UNDER = "quota nearly used up", "quota used up", "quota free again"


@dataclass(frozen=True)
class QuotaUse:
    """What a team uses of its quota, as measured."""

    team: Team
    used: int

    @property
    def quota(self) -> int | None:
        return self.team.quota_bytes

    @property
    def share(self) -> float:
        return self.used / self.quota if self.quota else float(self.quota == 0)

    @property
    def is_near(self) -> bool:
        return self.quota is not None and self.share >= WARNED_AT

    @property
    def is_over(self) -> bool:
        return self.quota is not None and self.used > self.quota


def newest_usage() -> dict[int, int]:
    """By team: the bytes of its last measurement, the trash included."""
    newest = SpaceUsage.objects.order_by("-day").values("day")[:1]
    rows = SpaceUsage.objects.filter(day__in=newest, team__isnull=False).order_by()
    sums = rows.values_list("team").annotate(size=Sum("bytes"))
    return {team: int(size) for team, size in sums if team is not None}


def judge() -> None:
    """Store which teams are over their quotas, and say so if that changes."""
    used = newest_usage()
    for team in Team.objects.all():
        _judge(QuotaUse(team, used.get(team.pk, 0)))


def _judge(use: QuotaUse) -> None:
    was_near = use.team.near_quota_since is not None
    was_over = use.team.over_quota_since is not None
    rows = Team.objects.filter(pk=use.team.pk)
    if use.is_near != was_near:
        rows.update(near_quota_since=Now() if use.is_near else None)
    if use.is_over != was_over:
        rows.update(over_quota_since=Now() if use.is_over else None)
        _log(OVER if use.is_over else UNDER, use)
    elif use.is_near and not was_near:
        _log(NEAR, use)


def _log(verb: str, use: QuotaUse) -> None:
    text = f"{bytes_text(use.used)} of {bytes_text(use.quota or 0)}"
    if use.quota is None:
        text = f"{bytes_text(use.used)}, without a quota"
    with origin.by_itself(), transaction.atomic():
        event = Event.log(verb, text, team=use.team)
        if verb != UNDER:
            Notification.note(
                NotificationKind.QUOTA,
                f"event {event.pk}",
                f"Team {use.team.name}: {verb}",
                f"It uses {text}. {ADVICE}",
                team=use.team,
                path=reverse("team_detail", args=(use.team.slug,)),
            )


def set_quota(team: Team, quota: int | None, *, actor: User | None) -> None:
    """``quota``: bytes, or None for as much as the disk has."""
    with transaction.atomic():
        locked = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        before = locked.quota_bytes
        if before == quota:
            return
        Team.objects.filter(pk=team.pk).update(quota_bytes=quota)
        words = "no quota" if quota is None else bytes_text(quota)
        Event.log(
            "quota changed",
            words,
            actor=actor,
            team=team,
            before={"quota_bytes": before},
            after={"quota_bytes": quota},
        )
        judge()


def over_quota_text(team: Team) -> str:
    """Why new trials of a team over its quota wait."""
    quota = bytes_text(team.quota_bytes or 0)
    return f"Team {team.name} uses more than its {quota} of space, so new trials wait."


def quota_warning(team: Team) -> str:
    """For pages of the team, from the last measurement; empty below 80 %."""
    if team.over_quota_since is not None:
        return over_quota_text(team)
    if team.near_quota_since is None:
        return ""
    quota = bytes_text(team.quota_bytes or 0)
    return (
        f"Team {team.name} uses at least {share_text(WARNED_AT)} of its {quota} of"
        " space. Over its quota, new trials wait."
    )


def waiting_text(sweep: Sweep) -> str | None:
    """Why a running sweep's new trials wait; None if no quota holds them."""
    team = sweep.experiment.team
    holds = sweep.state == SweepState.RUNNING and team.over_quota_since is not None
    return over_quota_text(team) if holds else None


def read_quota(
    text: str, *, no_quota: str = "leave the field empty for no quota"
) -> int | None:
    """Bytes; None for an empty text. Raises NotPossible, which says what else to give
    for no quota."""
    text = text.strip()
    if not text:
        return None
    size = int(text) if text.isascii() and text.isdigit() else bytes_of(text)
    if size is None or not 0 <= size <= MAX_QUOTA:
        raise NotPossible(
            f'"{text[:40]}" is not a size. Use one such as 40 GB, or {no_quota}.'
        )
    return size
