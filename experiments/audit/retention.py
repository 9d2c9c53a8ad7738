"""How long events stay."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db.models import Value
from django.db.models.functions import Now

from experiments.models import Event

logger = logging.getLogger(__name__)
# Rows of one short step.
STEP = 5_000


def delete_old() -> int:
    """Delete some events that are too old; the scheduler calls this regularly."""
    limit = Now() - Value(timedelta(days=settings.EVENT_DAYS))
    old = Event.objects.filter(created_at__lt=limit).order_by("created_at")
    pks = list(old.values_list("pk", flat=True)[:STEP])
    if not pks:
        return 0
    count, _ = Event.objects.filter(pk__in=pks).delete()
    logger.info(
        "deleted %s events that were older than %s days", count, settings.EVENT_DAYS
    )
    return count
