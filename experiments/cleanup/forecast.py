"""What the trash and the rules will free, for the forecast of the used space."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from experiments.models import CleanupRule, Team, TrashItem

WEEK = timedelta(weeks=1)


@dataclass(frozen=True)
class Freeing:
    """Bytes that are deleted for good, each with when; ``per_week``: as much goes each
    week from then on."""

    at: datetime
    bytes: int
    per_week: float = 0.0

    def until(self, when: datetime) -> float:
        """The bytes that are gone by then."""
        if when < self.at:
            return 0.0
        return self.bytes + self.per_week * ((when - self.at) / WEEK)


def freeings(teams: Collection[Team]) -> list[Freeing]:
    """What is in the trash, and what the enabled rules would move there tonight and
    later. Two queries.

    A rule that has not run yet finds what has gathered since the team was created: its
    first days are over, and as much comes in each week. What a rule does week by week
    once it has run is in the measured growth already.
    """
    items = TrashItem.objects.filter(team__in=teams, until__isnull=False)
    columns = items.filter(stopped_at=None).values_list("until", "bytes", "freed")
    found = [Freeing(until, size - freed) for until, size, freed in columns if until]
    rules = CleanupRule.objects.filter(team__in=teams).select_related("team")
    return [*found, *_of_rules(list(rules), timezone.now())]


def _of_rules(rules: Sequence[CleanupRule], now: datetime) -> list[Freeing]:
    trash = {r.team_id: r for r in rules if r.selection.get("kind") == r.TRASH}
    found = []
    for rule in rules:
        kept = trash.get(rule.team_id)
        if rule in trash.values() or rule.problem or not (rule.enabled and rule.bytes):
            continue
        if kept and not kept.enabled:
            # The team's trash is never emptied.
            continue
        days = kept.selection.get("older_than") if kept else None
        gone = now + timedelta(days=days or settings.TRASH_DAYS)
        found.append(Freeing(gone, rule.bytes, _per_week(rule, now)))
    return found


def _per_week(rule: CleanupRule, now: datetime) -> float:
    age = timedelta(days=rule.selection.get("older_than", 0))
    gathered = now - rule.team.created_at - age
    if rule.last_run_at or gathered < WEEK:
        return 0.0
    return (rule.bytes or 0) / (gathered / WEEK)
