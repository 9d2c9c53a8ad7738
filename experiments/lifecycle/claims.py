"""Attempts given to those who run them: the slots of workers."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from experiments.failpoints import failpoint
from experiments.lifecycle.locks import lock_running_sweep
from experiments.lifecycle.seats import take_seats
from experiments.models import Attempt, Trial, Worker
from experiments.models.trials import AttemptState, TrialState
from experiments.tokens import Token, new_token

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """A won claim: the two secrets exist nowhere else."""

    attempt: Attempt
    runner_token: Token
    trial_token: Token


def claim_attempt(attempt_id: int, *, worker: Worker, slot: int) -> Claim | None:
    """Give a queued attempt to a slot. None: it is not to be had (any more).

    Raises NoRoom when the host drains or has too few free GPUs.
    """
    runner, trial = new_token("run"), new_token("trl")
    with transaction.atomic():
        # Locked before all else: a pause comes first, or finds the attempt running.
        sweep = lock_running_sweep(attempt_id)
        if sweep is None:
            return None
        seats = take_seats(worker, slot, gpus=sweep.gpus)
        won = Attempt.objects.filter(
            pk=attempt_id, state=AttemptState.QUEUED, pool_id=worker.pool_id
        ).update(
            state=AttemptState.RUNNING,
            worker=worker,
            slot=slot,
            slots=seats.slots,
            gpus=seats.devices,
            claimed_at=Now(),
            heartbeat_at=Now(),
            runner_token_digest=runner.digest,
            trial_token_digest=trial.digest,
        )
        if not won:
            return None
        failpoint("claim.updated")
        Trial.objects.filter(
            current_attempt=attempt_id, state=TrialState.QUEUED
        ).update(
            state=TrialState.RUNNING,
            started_at=Coalesce(F("started_at"), Now()),
            updated_at=Now(),
        )
    failpoint("claim.committed")
    attempt = Attempt.objects.select_related("trial__sweep__experiment").get(
        pk=attempt_id
    )
    logger.info("trial %s attempt %s claimed", attempt.trial_id, attempt.n)
    return Claim(attempt, runner, trial)
