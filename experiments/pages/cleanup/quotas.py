"""The card of quotas, and changing one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from experiments import access
from experiments.cleanup import quotas
from experiments.cleanup.quotas import QuotaUse
from experiments.cleanup.usage import SpaceAmount, SpaceGrowth
from experiments.db.clock import database_now
from experiments.formatting import bytes_text
from experiments.models import Team
from experiments.pages.frame import act, administrator, post
from experiments.search.wording import counted

MAX_WEEKS = 26


@dataclass(frozen=True)
class QuotaRow:
    """``note`` says when the quota is used up; may be empty."""

    use: QuotaUse
    note: str

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.use.share))

    @property
    def text(self) -> str:
        """The quota as the form has it."""
        quota = self.use.quota
        return "" if quota is None else bytes_text(quota)


def quota_rows(
    teams: Sequence[Team],
    amounts: Mapping[object, SpaceAmount],
    growth: Mapping[object, SpaceGrowth],
) -> list[QuotaRow]:
    """The fullest first, then teams without a quota."""
    rows = []
    for team in teams:
        amount = amounts.get(team.pk, SpaceAmount())
        use = QuotaUse(team, amount.bytes)
        rows.append(QuotaRow(use, _note(use, growth.get(team.pk, SpaceGrowth()))))
    return sorted(rows, key=lambda row: (row.use.quota is None, -row.use.share))


def _note(use: QuotaUse, growth: SpaceGrowth) -> str:
    if use.quota is None:
        return ""
    if use.is_over:
        return "Over its quota: new trials wait."
    day = growth.full_on(use.quota - use.used)
    days = None if day is None else (day - database_now().date()).days
    if days is None or days > 7 * MAX_WEEKS:
        return "Nearly full. Over its quota, new trials wait." if use.is_near else ""
    when = f"in {counted(round(days / 7), 'week')}" if days > 10 else "within 10 days"
    return f"Full {when} at this rate. Its new trials then wait."


def quota_change(request: HttpRequest, slug: str) -> HttpResponse:
    actor = administrator(request)
    team = access.found_or_404(Team.objects.all(), slug=slug)

    def change() -> str:
        quota = quotas.read_quota(request.POST.get("quota", ""))
        quotas.set_quota(team, quota, actor=actor)
        words = "has no quota" if quota is None else f"may use {bytes_text(quota)}"
        return f"Team {team.name} {words}."

    return act(request, "cleanup", change)


urlpatterns = [post("cleanup/quotas/<slug:slug>/", quota_change, "quota_change")]
