"""The card of a team's rules, and changing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from experiments import access
from experiments.cleanup import rules
from experiments.formatting import bytes_text
from experiments.models import CleanupRule, Removable, Team
from experiments.pages.frame import act, managed_team, post

# A standard rule's words before, between and after its fields.
PHRASES: Mapping[str, Sequence[str]] = {
    Removable.ARTIFACTS: ("Artifacts outside the best", "not_best", "after"),
    Removable.LOG_MIDDLES: ("Logs over", "keep", ": keep both ends, after"),
    Removable.METRICS: ("Other metrics: keep 1 point in", "keep", "after"),
    Removable.CODE: ("Uploaded code that no sweep uses, after",),
    CleanupRule.TRASH: ("Trash: delete for good after",),
}


@dataclass(frozen=True)
class RuleNumber:
    name: str
    value: object
    label: str


@dataclass(frozen=True)
class RuleRow:
    """A rule of the card: one that was saved, or one that is offered. ``key`` names its
    fields; ``parts`` are words and numbers."""

    key: str
    rule: CleanupRule | None
    parts: Sequence[str | RuleNumber]

    @property
    def enabled(self) -> bool:
        return self.rule is not None and self.rule.enabled


@dataclass(frozen=True)
class RulesCard:
    team: Team
    rows: Sequence[RuleRow]

    @property
    def tonight(self) -> int:
        """What the enabled rules would move."""
        found = [row.rule for row in self.rows if row.rule and row.enabled]
        moving = [r for r in found if r.selection.get("kind") != CleanupRule.TRASH]
        return sum(rule.bytes or 0 for rule in moving)


def rules_card(team: Team) -> RulesCard:
    own = list(team.cleanup_rules.all())
    rows = [_standard(n, _of_kind(own, kind)) for n, kind in enumerate(PHRASES)]
    known = {row.rule.pk for row in rows if row.rule}
    rows += [
        RuleRow(str(rule.pk), rule, [rules.words_of(rule)])
        for rule in own
        if rule.pk not in known
    ]
    return RulesCard(team, rows)


def _of_kind(own: Sequence[CleanupRule], kind: str) -> CleanupRule | None:
    """The first one that has only the fields of the standard rule of this kind."""
    fields = next(each for each in rules.STANDARD if each["kind"] == kind).keys()
    for rule in own:
        if rule.selection.get("kind") == kind and rule.selection.keys() <= fields:
            return rule
    return None


def _standard(place: int, rule: CleanupRule | None) -> RuleRow:
    usual = rules.STANDARD[place]
    values = {**usual, **(rule.selection if rule else {})}
    key, phrase = f"standard-{place}", PHRASES[usual["kind"]]
    parts: list[str | RuleNumber] = [phrase[0]]
    if len(phrase) > 1:
        name = phrase[1]
        value = values[name]
        shown = bytes_text(value) if name == "keep" and value > 1000 else value
        parts += [RuleNumber(f"{key}-{name}", shown, phrase[0]), phrase[2]]
    days = f"{values['older_than']:g}"
    parts += [RuleNumber(f"{key}-older_than", days, "days"), "days"]
    return RuleRow(key, rule, parts)


def rules_save(request: HttpRequest, slug: str) -> HttpResponse:
    """All rows of the card at once."""
    team, user = managed_team(request, slug)

    def do() -> str:
        for row in rules_card(team).rows:
            enabled = f"{row.key}-on" in request.POST
            data = _sent(request, row)
            if row.rule is None and not enabled:
                continue
            rules.save_rule(team, data, enabled=enabled, actor=user, rule=row.rule)
        return f"The rules of team {team.name} are saved."

    return act(request, f"{reverse('cleanup')}?place={team.slug}#rules", do)


def _sent(request: HttpRequest, row: RuleRow) -> dict[str, Any]:
    """The row's selection with the numbers that were sent."""
    if row.rule is not None and not row.key.startswith("standard-"):
        return dict(row.rule.selection)
    place = int(row.key.removeprefix("standard-"))
    found = dict(rules.STANDARD[place])
    for name in found.keys() - {"kind"}:
        found[name] = request.POST.get(f"{row.key}-{name}", found[name])
    return found


def rule_remove(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.viewer(request)
    mine = CleanupRule.objects.filter(team__in=access.teams_for(user))
    rule = access.found_or_404(mine.select_related("team"), pk=pk)
    access.check_can_manage(user, rule.team)

    def do() -> str:
        words = rules.words_of(rule)
        rules.delete_rule(rule, actor=user)
        return f"The rule was removed: {words}."

    return act(request, f"{reverse('cleanup')}?place={rule.team.slug}#rules", do)


urlpatterns = [
    post("cleanup/rules/<int:pk>/remove/", rule_remove, "cleanup_rule_remove"),
    post("cleanup/rules/<slug:slug>/", rules_save, "cleanup_rules_save"),
]
