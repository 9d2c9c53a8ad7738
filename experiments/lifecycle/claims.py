"""Claims: a worker's slot takes a queued attempt, or a program asks for a trial to run.

Also: which slots and GPUs of a host an attempt gets.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, FloatField, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Greatest, Least, Now
from django.utils.crypto import salted_hmac

from experiments.db.clock import Epoch
from experiments.db.prepared import Placeholder, Update
from experiments.lifecycle.sweeps import lock_running_sweep
from experiments.lifecycle.trials import Taken, store_trial
from experiments.models import Attempt, Sweep, Trial, TrialRequest, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState, TrialState
from experiments.runner.failpoints import failpoint
from experiments.search.wording import counted
from experiments.tokens import Token, new_token, token_of

logger = logging.getLogger(__name__)


class NoRoom(Exception):
    """The host cannot take the attempt, which stays queued. The message says why."""


@dataclass(frozen=True)
class SlotAllocation:
    """How many slots of a host an attempt gets, and the indexes of its GPUs."""

    slots: int
    devices: list[int]


def allocate_slots(worker: Worker, slot: int, *, gpus: int) -> SlotAllocation:
    """Slots for an attempt that needs this many GPUs (0: any slot). Raises NoRoom.

    Call it in the claim's transaction: it locks the host's row, so that two claims
    never get the same GPU.
    """
    Worker.objects.filter(pk=worker.pk).update(seen_at=Now())
    worker.refresh_from_db()
    if worker.draining_since is not None:
        raise NoRoom(f"Host {worker.name} is draining: {worker.drain_reason}")
    if not worker.gpus and not gpus:
        return SlotAllocation(1, [])
    return choose_slots(worker, slot, gpus=gpus, taken=taken_slots(worker))


def taken_slots(worker: Worker) -> set[int]:
    """The slots whose GPUs a running attempt has."""
    running = Attempt.objects.filter(worker=worker, state=AttemptState.RUNNING)
    rows = running.values_list("slot", "gpus")
    return {
        taken
        for slot, devices in rows
        for taken in (worker.slots_of(devices) or {slot or 0})
    }


def choose_slots(
    worker: Worker, slot: int, *, gpus: int, taken: Collection[int]
) -> SlotAllocation:
    """GPUs next to each other, if possible with those of this slot.

    If another slot's trial has this slot's GPUs, others are as good: each process sees
    only the GPUs of its attempt.
    """
    need = worker.slots_for(gpus)
    if need is None:
        raise NoRoom(
            f"The trial needs {counted(gpus, 'GPU')} on one host; host {worker.name}"
            f" has {len(worker.gpus)} in {counted(worker.slots, 'slot')}."
        )
    free = [place for place in range(worker.slots) if place not in taken]
    if len(free) < need:
        raise NoRoom(
            f"The trial needs {counted(need, 'slot')} at once; host {worker.name} has"
            f" {len(free)} free."
        )
    rows = [free[first : first + need] for first in range(len(free) - need + 1)]
    chosen = min(rows, key=lambda row: (row[-1] - row[0], slot not in row))
    devices = [device for place in chosen for device in worker.devices_of(place)]
    return SlotAllocation(need, devices[: gpus or None])


@dataclass(frozen=True)
class Claim:
    """A won claim. The two secrets are stored nowhere else."""

    attempt: Attempt
    runner_token: Token
    trial_token: Token


def claim_attempt(attempt_id: int, *, worker: Worker, slot: int) -> Claim | None:
    """Give a queued attempt to a slot. None: it is no longer queued.

    Raises NoRoom when the host drains or has too few free GPUs.
    """
    runner, trial = new_token("run"), new_token("trl")
    with transaction.atomic():
        # Locked first: a pause comes before the claim, or finds the attempt running.
        sweep = lock_running_sweep(attempt_id)
        if sweep is None:
            return None
        allocation = allocate_slots(worker, slot, gpus=sweep.gpus)
        won = Attempt.objects.filter(
            pk=attempt_id, state=AttemptState.QUEUED, pool_id=worker.pool_id
        ).update(
            state=AttemptState.RUNNING,
            worker=worker,
            slot=slot,
            slots=allocation.slots,
            gpus=allocation.devices,
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


CHANGED_BY_CLAIM = (
    *("state", "client", "trial_token_digest"),
    *("claimed_at", "heartbeat_at"),
)
# How many seconds an asked trial may be silent.
_ALLOWED = Coalesce(
    Subquery(Trial.objects.filter(pk=OuterRef("trial")).values("sweep__trial_timeout")),
    Placeholder("max_silence"),
    output_field=FloatField(),
)
# Seconds since its last heartbeat. What is outside these bounds comes from a clock that
# was changed.
_SILENCE = Greatest(
    Value(0.0),
    Least(
        Epoch(Now()) - Epoch(Coalesce(F("heartbeat_at"), Now())),
        _ALLOWED,
        output_field=FloatField(),
    ),
    output_field=FloatField(),
)
ASK_HEARTBEAT = Update(
    lambda: Attempt.objects.filter(
        pk=Placeholder("pk"), state=AttemptState.RUNNING, runner_token_digest=""
    ),
    heartbeat_at=Now(),
    elapsed=Coalesce(F("elapsed"), Value(0.0)) + _SILENCE,
)


@dataclass(frozen=True)
class AskClaim:
    """An attempt that the asking program runs, and the token to report with.

    The token is derived from the site's key and the attempt, so a program that asks
    again for the same trial gets the same token.
    """

    attempt: Attempt
    token: Token


def ask_heartbeat(attempt: Attempt) -> bool:
    """Renew the heartbeat of an asked trial, and add the time since the last one.

    False: the attempt no longer runs, or a worker runs it.
    """
    return bool(ask_heartbeats([attempt.pk]))


def ask_heartbeats(attempts: Sequence[int]) -> int:
    """The same for some attempts; returns how many of them run."""
    limit = float(settings.ASK_TIMEOUT_SECONDS)
    return ASK_HEARTBEAT.run_each([{"pk": pk, "max_silence": limit} for pk in attempts])


def claim_new_trial(
    sweep: Sweep,
    *,
    number: int,
    params: Mapping[str, Any],
    origin: str,
    client: str = "",
    trial_request: TrialRequest | None = None,
) -> AskClaim | None:
    """A new trial for a program that asks, which runs from now on.

    None: another process was first, the sweep does not run or has no room, or the
    client has a trial already.
    """
    try:
        with transaction.atomic():
            row = _lock_running(sweep)
            if unfinished(row, client):
                raise Taken
            if row.trials.live().count() >= row.max_concurrent_trials:
                raise Taken
            trial = store_trial(
                sweep,
                number=number,
                params=dict(params),
                origin=origin,
                trial_request=trial_request,
            )
            attempt = Attempt.objects.create(trial=trial, n=1, pool_id=sweep.pool_id)
            return _begin(attempt, client)
    except Taken:
        return None


def claim_queued_trial(
    sweep: Sweep, attempt: Attempt, *, client: str = ""
) -> AskClaim | None:
    """Give a waiting trial, such as one that was lost, to a program that asks.

    A client that has a trial gets that one. None: the attempt no longer waits, or the
    sweep does not run or has no room.
    """
    try:
        with transaction.atomic():
            row = _lock_running(sweep)
            if own := unfinished(row, client):
                return own
            # Trials that wait, like this one, take no room.
            running = row.trials.filter(state=TrialState.RUNNING)
            if running.count() >= row.max_concurrent_trials:
                raise Taken
            return _begin(attempt, client)
    except Taken:
        return None


def unfinished(sweep: Sweep, client: str) -> AskClaim | None:
    """The trial that the client asked for earlier and has not finished."""
    if not client:
        return None
    running = Attempt.objects.filter(state=AttemptState.RUNNING, client=client)
    # Most often there is none: then Django need not name every column of four tables.
    pk = running.filter(trial__sweep=sweep).values_list("pk", flat=True).first()
    if pk is None:
        return None
    attempt = Attempt.objects.select_related("trial__sweep__experiment").get(pk=pk)
    token = attempt_token(attempt)
    if attempt.trial_token_digest != token.digest:
        # The site's key has changed since then.
        Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING).update(
            trial_token_digest=token.digest
        )
    return AskClaim(attempt, token)


def _lock_running(sweep: Sweep) -> Sweep:
    """Read the sweep's row again, locked against other claims. Raises Taken if it does
    not run."""
    rows = Sweep.objects.select_for_update(no_key=True)
    running = rows.filter(pk=sweep.pk, state=SweepState.RUNNING)
    row = running.only("max_concurrent_trials").first()
    if row is None:
        raise Taken
    return row


def _begin(attempt: Attempt, client: str) -> AskClaim:
    token = attempt_token(attempt)
    won = Attempt.objects.filter(pk=attempt.pk, state=AttemptState.QUEUED).update(
        state=AttemptState.RUNNING,
        client=client,
        claimed_at=Now(),
        heartbeat_at=Now(),
        trial_token_digest=token.digest,
    )
    if not won:
        raise Taken
    Trial.objects.filter(pk=attempt.trial_id, state=TrialState.QUEUED).update(
        current_attempt=attempt,
        state=TrialState.RUNNING,
        started_at=Coalesce(F("started_at"), Now()),
        updated_at=Now(),
    )
    attempt.refresh_from_db(fields=CHANGED_BY_CLAIM)
    attempt.trial.refresh_from_db(fields=["current_attempt", "state", "started_at"])
    logger.info(
        "trial %s attempt %s claimed by ask-and-tell", attempt.trial_id, attempt.n
    )
    return AskClaim(attempt, token)


def attempt_token(attempt: Attempt) -> Token:
    """The token of a process that no worker runs; always the same for an attempt."""
    mac = salted_hmac("experiments.ask", str(attempt.pk), algorithm="sha256")
    text = base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
    return token_of("trl", text)
