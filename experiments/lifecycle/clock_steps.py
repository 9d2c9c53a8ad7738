"""What is put right after the database's clock was set to another time.

Signs of life from before are then too old, or lie in the future. Who is silent since is
found out anew, with all the time that silence is allowed to last.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Value
from django.db.models.functions import Now

from experiments.models import Attempt, Worker
from experiments.models.trials import AttemptState

logger = logging.getLogger(__name__)

# What is later than this is of no clock that goes; less is between two statements.
LEAST = timedelta(seconds=5)


def renew_future_signs() -> None:
    """Signs of life and doorbells of the future count as of now.

    Else who died would seem alive until the clock gets there, and a bell that nobody
    heard be rung no more.
    """
    future = Now() + Value(LEAST)
    attempts = Attempt.objects.filter(
        state=AttemptState.RUNNING, heartbeat_at__gt=future
    )
    bells = Attempt.objects.filter(state=AttemptState.QUEUED, rung_at__gt=future)
    workers = Worker.objects.filter(seen_at__gt=future)
    renewed = (
        workers.update(seen_at=Now())
        + attempts.update(heartbeat_at=Now())
        + bells.update(rung_at=Now())
    )
    if renewed:
        logger.warning("%d signs of life and bells of the future are of now", renewed)


def renew_outside_signs() -> None:
    """The same for whatever no worker runs, which is heard so rarely that a lease tells
    nothing about it."""
    outside = Attempt.objects.filter(
        state=AttemptState.RUNNING, worker=None, runner_token_digest=""
    )
    renewed = outside.update(heartbeat_at=Now())
    if renewed:
        logger.warning("%d trials that no worker runs count as heard now", renewed)
