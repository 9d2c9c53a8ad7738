"""What waits to be sent, and what is old. The scheduler looks at it, so this loads
little."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Now

from experiments.models import Notification, NotificationDelivery
from experiments.queues import site_jobs

State = NotificationDelivery.State
KEEP_DAYS = 90
MAX_DELETED = 5_000


def start_sending() -> None:
    """Enqueue the job if something waits; the scheduler calls this every few
    seconds."""
    new = Notification.objects.filter(addressed_at=None)
    if new.exists() or due().exists():
        site_jobs.ensure_later(site_jobs.NOTIFY, job_id="notifications", every=60)


def due() -> QuerySet[NotificationDelivery]:
    return NotificationDelivery.objects.filter(state=State.WAITING, due_at__lte=Now())


def delete_old() -> int:
    """Delete some notifications that are older than KEEP_DAYS, unless one still has to
    be sent."""
    limit = Now() - Value(timedelta(days=KEEP_DAYS))
    waiting = NotificationDelivery.objects.filter(
        notification=OuterRef("pk"), state=State.WAITING
    )
    old = Notification.objects.filter(created_at__lt=limit).exclude(Exists(waiting))
    pks = list(old.order_by("created_at").values_list("pk", flat=True)[:MAX_DELETED])
    return Notification.objects.filter(pk__in=pks).delete()[0] if pks else 0
