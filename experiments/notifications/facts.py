"""Facts that no transition makes: a new best trial, a sweep that waits, a token that
ends soon, an old backup.

The scheduler looks for them once a minute, with a fixed number of queries.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import (
    Case,
    Exists,
    Expression,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest, Now
from django.urls import reverse
from django.utils import timezone

from experiments.formatting import duration_text, exact_duration_text, named_metric_text
from experiments.models import (
    ApiToken,
    Attempt,
    Event,
    Notification,
    NotificationChannel,
    NotificationKind,
    Sweep,
    Trial,
)
from experiments.models.credentials import ENDS_SOON
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState

Kind = NotificationKind
EVERY = 60
# A running sweep without any running trial for this long waits for a worker.
STUCK_AFTER = timedelta(minutes=15)
# How the keys of such notifications begin.
WAITS = "waits "
STARTED = Coalesce("resumed_at", "started_at")
LAST_DAY = timedelta(days=1)


def note_facts() -> None:
    note_new_bests()
    note_waiting_sweeps()
    note_ending_tokens()
    note_old_backup()


def note_new_bests() -> None:
    """At most one for each sweep and call. Reports pay nothing for it."""
    if not NotificationChannel.objects.filter(kinds__contains=Kind.BEST).exists():
        return
    own = Trial.objects.filter(sweep=OuterRef("pk"), state=TrialState.COMPLETED)
    rows = own.filter(value__isnull=False).values("value")
    best = Case(
        When(goal="maximize", then=Subquery(rows.order_by("-value")[:1])),
        default=Subquery(rows.order_by("value")[:1]),
    )
    running = Sweep.objects.filter(state=SweepState.RUNNING).annotate(best=best)
    changed = running.filter(
        Q(notified_best=None) | ~Q(best=F("notified_best")), best__isnull=False
    )
    for sweep in changed.select_related("experiment__team"):
        _note_best(sweep, sweep.best)


def _note_best(sweep: Sweep, value: float) -> None:
    """The first one is only stored: it is the best of one."""
    before = sweep.notified_best
    with transaction.atomic():
        same = Sweep.objects.filter(pk=sweep.pk, notified_best=before)
        if not same.update(notified_best=value) or before is None:
            return
        is_better = value > before if sweep.goal == "maximize" else value < before
        trial = sweep.trials.filter(state=TrialState.COMPLETED, value=value).first()
        if not is_better or trial is None:
            return
        now, old = (
            named_metric_text(each, sweep.primary_metric) for each in (value, before)
        )
        Notification.note(
            Kind.BEST,
            f"best {sweep.pk} {trial.pk}",
            f"Sweep {sweep.label} has a new best: {now}",
            f"Trial {trial.number} has {sweep.primary_metric} {now}, before {old}.",
            sweep=sweep,
        )


def note_waiting_sweeps() -> None:
    """Running sweeps without a running trial for STUCK_AFTER, once for each wait."""
    # First, so that the others are not asked about earlier waits.
    found = list(_without_running_trials().values_list("pk", flat=True))
    notes = Notification.objects.filter(sweep=OuterRef("pk"), key__startswith=WAITS)
    noted = Subquery(notes.order_by("-created_at").values("created_at")[:1])
    # When it started, or when an earlier wait was noted.
    before = Greatest(STARTED, Coalesce(noted, STARTED))
    waiting = Sweep.objects.filter(pk__in=found).annotate(before=before)
    new = waiting.filter(Q(before=STARTED) | _ended_since(OuterRef("before")))
    for sweep in new.select_related("experiment__team", "pool"):
        Notification.note(
            Kind.STUCK,
            f"{WAITS}{sweep.pk} {sweep.before:%Y%m%d%H%M%S}",
            f"Sweep {sweep.label} waits for a worker",
            f"None of its trials has run for {duration_text(STUCK_AFTER)}. Pool"
            f" {sweep.pool.name} may have no worker, or no free slot.",
            sweep=sweep,
        )


def _without_running_trials() -> QuerySet[Sweep]:
    """For STUCK_AFTER, though they are running."""
    limit = Now() - Value(STUCK_AFTER)
    running = Trial.objects.filter(sweep=OuterRef("pk"), state=TrialState.RUNNING)
    sweeps = Sweep.objects.filter(
        state=SweepState.RUNNING, launches=True, experiment__team__over_quota_since=None
    )
    return sweeps.alias(started=STARTED).filter(
        ~Exists(running), ~_ended_since(limit), started__lt=limit
    )


def _ended_since(moment: Expression | F) -> Exists:
    """Whether an attempt of the sweep has ended since. Its trial changed then, by which
    an index finds it among thousands."""
    own = Attempt.objects.filter(trial__sweep=OuterRef("pk"), ended_at__gte=moment)
    return Exists(own.filter(trial__updated_at__gte=moment))


def note_ending_tokens() -> None:
    """Once a week before the end and once a day before it; not of tokens that last
    hardly longer."""
    now = timezone.now()
    soon = ApiToken.valid().filter(expires_at__lt=now + ENDS_SOON)
    for token in soon.filter(user__service_team=None).select_related("user"):
        if (end := token.expires_at) is None:
            continue
        ahead = LAST_DAY if end - now < LAST_DAY else ENDS_SOON
        if end - token.created_at > 2 * ahead:
            _note_token(token, end, ahead)


def _note_token(token: ApiToken, end: datetime, ahead: timedelta) -> None:
    name = f"{token.name or 'Token'} {token.prefix}…"
    Notification.note(
        Kind.TOKEN,
        f"token {token.pk} {end:%Y%m%d%H%M} {ahead.days}",
        f"Your API token {name} ends soon",
        f"It ends on {end:%-d %b %Y, %H:%M} UTC. Programs that use it are refused then."
        " Renew it on your profile.",
        user=token.user,
        path=reverse("profile") + "#tokens",
    )


def note_old_backup() -> None:
    """Once for each backup that has become too old, if the site asks for any."""
    days = settings.BACKUP_DAYS
    if not days:
        return
    made = Event.objects.filter(verb="backup made").order_by("-id").first()
    first = made or Event.objects.order_by("id").first()
    limit = timezone.now() - timedelta(days=days)
    if first is None or first.created_at > limit:
        return
    last = (
        f"The last one is of {made.created_at:%-d %b %Y}." if made else "None is known."
    )
    age = exact_duration_text(days * LAST_DAY.total_seconds())
    Notification.note(
        Kind.BACKUP,
        f"backup after {first.pk}",
        f"No backup for more than {age}",
        f"{last} Run manage.py backup, or repair the program that does.",
        path=reverse("health"),
    )
