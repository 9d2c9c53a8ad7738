"""Hosts that cannot start trials: after a few tries in a row they get no more."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Max

from experiments import lifecycle
from experiments.clock import database_now
from experiments.lifecycle.attempts import TROUBLE
from experiments.models import Attempt, Worker
from experiments.models.trials import AttemptState

MOST, WITHIN = 3, timedelta(minutes=10)


def drain_if_in_trouble(worker: Worker) -> bool:
    """Drain a worker that has told of trouble again and again, with nothing that went
    well in between, since it was taken back last."""
    attempts = Attempt.objects.filter(worker=worker)
    if worker.undrained_at is not None:
        attempts = attempts.filter(claimed_at__gt=worker.undrained_at)
    since = database_now() - WITHIN
    finished = attempts.filter(state=AttemptState.FINISHED)
    well = finished.aggregate(last=Max("ended_at"))["last"]
    troubles = attempts.filter(
        state=AttemptState.LOST,
        reason=TROUBLE,
        ended_at__gt=since if well is None else max(since, well),
    )
    if troubles.count() < MOST:
        return False
    last = troubles.order_by("-ended_at").values_list("message", flat=True).first()
    reason = f"{MOST} trials in {WITHIN.seconds // 60} minutes could not begin: {last}"
    return lifecycle.drain_worker(worker, reason=reason)
