"""Rules of teams, which move things to the trash every night, as a job of the site."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from experiments.cleanup.move import move
from experiments.cleanup.plan import plan_of
from experiments.cleanup.selection import Selection, read_selection
from experiments.formatting import bytes_text
from experiments.models import CleanupRule, Event, Removable, Team, User
from experiments.queues import site_jobs
from experiments.search.fields import DefinitionError, Problem

logger = logging.getLogger(__name__)

JOB = "rules"
# The scheduler looks this often, in seconds.
EVERY = 60
MAX_RULES = 50
# What the page offers to a team; the last one is about the trash itself.
STANDARD: tuple[Mapping[str, Any], ...] = (
    {"kind": Removable.ARTIFACTS, "not_best": 10, "older_than": 30},
    {"kind": Removable.LOG_MIDDLES, "keep": 2_000_000, "older_than": 14},
    {"kind": Removable.METRICS, "keep": 10, "older_than": 90},
    {"kind": Removable.CODE, "older_than": 60},
    {"kind": CleanupRule.TRASH, "older_than": 14},
)


def selection_of(rule: CleanupRule) -> Selection:
    """Raises DefinitionError if its experiment or sweep was deleted."""
    return read_selection(rule.selection, rule.team)


def words_of(rule: CleanupRule) -> str:
    """What it does, in words."""
    if rule.selection.get("kind") == CleanupRule.TRASH:
        return f"trash older than {rule.selection.get('older_than')} days"
    try:
        return selection_of(rule).words
    except DefinitionError as error:
        return str(error)


def save_rule(
    team: Team,
    data: Mapping[str, Any],
    *,
    enabled: bool,
    actor: User | None,
    rule: CleanupRule | None = None,
) -> CleanupRule:
    """A new rule, or another content of one. Raises DefinitionError."""
    selection = _document(team, data)
    if rule is None and team.cleanup_rules.count() >= MAX_RULES:
        words = f"Team {team.name} has {MAX_RULES} rules already. Remove one first."
        raise DefinitionError([Problem("kind", words)])
    rule = rule or CleanupRule(team=team, created_by=actor)
    before = {"selection": rule.selection, "enabled": rule.enabled} if rule.pk else {}
    after = {"selection": selection, "enabled": enabled}
    if before != after:
        rule.selection, rule.enabled = selection, enabled
        rule.problem = ""
        rule.save()
        text = words_of(rule)
        verb = "cleanup rule changed" if before else "cleanup rule added"
        Event.log(
            verb, text, actor=actor, team=team, about=rule, before=before, after=after
        )
        measure_rule(rule)
    return rule


def _document(team: Team, data: Mapping[str, Any]) -> dict[str, Any]:
    if data.get("kind") != CleanupRule.TRASH:
        return read_selection(data, team).document()
    days = str(data.get("older_than") or "").strip()
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:6]) <= 3650):
        words = f"{days[:60]!r} is not a number of days from 1 to 3650."
        raise DefinitionError([Problem("older_than", words)])
    return {"kind": CleanupRule.TRASH, "older_than": int(days)}


def delete_rule(rule: CleanupRule, *, actor: User | None) -> None:
    before = {"selection": rule.selection, "enabled": rule.enabled}
    Event.log(
        "cleanup rule removed",
        words_of(rule),
        actor=actor,
        team=rule.team,
        about=rule,
        before=before,
    )
    rule.delete()


# --- every night ------------------------------------------------------------------


def start_rules() -> None:
    """Enqueue the job if a rule is due, or to be measured again; the scheduler calls
    this regularly."""
    if due_rules().exists() or CleanupRule.objects.filter(_is_old()).exists():
        site_jobs.ensure_later(site_jobs.RUN_RULES, job_id=JOB, every=EVERY)


def due_rules() -> QuerySet[CleanupRule]:
    """Those that have not run since the last night began."""
    moving = CleanupRule.objects.filter(enabled=True, problem="").exclude(
        selection__kind=CleanupRule.TRASH
    )
    since = Coalesce("last_run_at", "created_at")
    return moving.annotate(since=since).filter(since__lt=last_night(timezone.now()))


def last_night(now: datetime) -> datetime:
    """When rules were to run last, in the site's time zone."""
    local = timezone.localtime(now)
    tonight = local.replace(
        hour=settings.CLEANUP_HOUR, minute=0, second=0, microsecond=0
    )
    return tonight if tonight <= local else tonight - timedelta(days=1)


def run_rules() -> None:
    """The job. It makes way for other jobs of the site after each rule."""
    for rule in due_rules().select_related("team"):
        run_rule(rule)
        if site_jobs.makes_way():
            return
    for rule in CleanupRule.objects.filter(_is_old()).select_related("team"):
        measure_rule(rule)
        if site_jobs.makes_way():
            return


def _is_old() -> Q:
    """Its size was computed before it ran, or never."""
    return Q(measured_at=None) | Q(measured_at__lt=F("last_run_at"))


def run_rule(rule: CleanupRule) -> int:
    """The bytes that went to the trash. What it cannot do is said with the rule, which
    then waits until somebody saves it again."""
    row = CleanupRule.objects.filter(pk=rule.pk)
    try:
        items = move(plan_of(selection_of(rule), rule.team), actor=None, rule=rule)
    except Exception as error:
        known = isinstance(error, DefinitionError)
        row.update(problem=str(error) if known else f"{type(error).__name__}: {error}")
        logger.warning("cleanup rule %s cannot run: %s", rule.pk, error)
        return 0
    size = sum(item.bytes for item in items)
    row.update(last_run_at=Now(), last_bytes=size)
    text = f"{words_of(rule)}: {bytes_text(size)} moved to the trash"
    Event.log("cleanup rule ran", text, team=rule.team, about=rule)
    return size


def measure_rule(rule: CleanupRule) -> None:
    """Store what it would move to the trash now."""
    if rule.selection.get("kind") == CleanupRule.TRASH:
        due = rule.team.trash.filter(
            until__lt=last_night(timezone.now()) + timedelta(1)
        )
        size = sum(due.values_list("bytes", flat=True))
    else:
        try:
            size = plan_of(selection_of(rule), rule.team).taken.bytes
        except DefinitionError as error:
            rule.problem = str(error)
            size = 0
    rule.bytes, rule.measured_at = size, timezone.now()
    rule.save(update_fields=["bytes", "measured_at", "problem"])
