"""Trials of processes that this site does not launch: handed out when they ask."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, FloatField, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Greatest, Least, Now
from django.utils.crypto import salted_hmac

from experiments.clock import Epoch
from experiments.lifecycle.trials import Taken, store_trial
from experiments.models import Attempt, Sweep, Trial, Wish
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState, TrialState
from experiments.statements import Slot, Update
from experiments.tokens import Token, token_of

logger = logging.getLogger(__name__)

# For how many seconds an attempt may be silent that is not to stop.
_ALLOWED = Coalesce(
    Subquery(Trial.objects.filter(pk=OuterRef("trial")).values("sweep__trial_timeout")),
    Slot("most"),
    output_field=FloatField(),
)
# Since it was heard last. Nobody was away for less than nothing, nor for longer than is
# allowed: what is more comes of a clock that was set.
_SINCE_HEARD = Greatest(
    Value(0.0),
    Least(
        Epoch(Now()) - Epoch(Coalesce(F("heartbeat_at"), Now())),
        _ALLOWED,
        output_field=FloatField(),
    ),
    output_field=FloatField(),
)
BEAT_OUTSIDE = Update(
    lambda: Attempt.objects.filter(
        pk=Slot("pk"), state=AttemptState.RUNNING, runner_token_digest=""
    ),
    heartbeat_at=Now(),
    elapsed=Coalesce(F("elapsed"), Value(0.0)) + _SINCE_HEARD,
)


@dataclass(frozen=True)
class ExternalClaim:
    """An attempt that its asker runs, and the token to report with.

    The token follows from the site's key and the attempt: who asks again for the same
    trial gets the same one.
    """

    attempt: Attempt
    token: Token


def beat_outside(attempt: Attempt) -> bool:
    """Note that a process lives which no worker runs, and for how long it has trained.

    Its own clock is not asked: the time between two signs of life is added up. False:
    the attempt is no longer running, or a worker runs it.
    """
    most = float(settings.ASK_TIMEOUT_SECONDS)
    return bool(BEAT_OUTSIDE.run(pk=attempt.pk, most=most))


def claim_external(
    sweep: Sweep,
    *,
    number: int,
    params: Mapping[str, Any],
    origin: str,
    client: str = "",
    wish: Wish | None = None,
) -> ExternalClaim | None:
    """A new trial that runs from now on, without a worker.

    None: another process has the number or the wish, the sweep does not run or has no
    room for one more, or the client has a trial already.
    """
    try:
        with transaction.atomic():
            row = _lock_running(sweep)
            if unfinished(row, client):
                raise Taken
            if row.trials.live().count() >= row.max_concurrent_trials:
                raise Taken
            trial = store_trial(
                sweep, number=number, params=dict(params), origin=origin, wish=wish
            )
            attempt = Attempt.objects.create(trial=trial, n=1, pool_id=sweep.pool_id)
            return _begin(attempt, client)
    except Taken:
        return None


def claim_queued(
    sweep: Sweep, attempt: Attempt, *, client: str = ""
) -> ExternalClaim | None:
    """Hand out a trial of the sweep that waits, such as one that was lost.

    A client that has a trial by now gets that one. None: it is gone, the sweep does
    not run or as many as may already run.
    """
    try:
        with transaction.atomic():
            row = _lock_running(sweep)
            if own := unfinished(row, client):
                return own
            # Those that wait like this one take nobody's place.
            running = row.trials.filter(state=TrialState.RUNNING)
            if running.count() >= row.max_concurrent_trials:
                raise Taken
            return _begin(attempt, client)
    except Taken:
        return None


def unfinished(sweep: Sweep, client: str) -> ExternalClaim | None:
    """What the client has asked for before and not finished."""
    if not client:
        return None
    attempt = (
        Attempt.objects.select_related("trial__sweep__experiment")
        .filter(trial__sweep=sweep, client=client, state=AttemptState.RUNNING)
        .order_by("pk")
        .first()
    )
    if attempt is None:
        return None
    token = _token(attempt)
    if attempt.trial_token_digest != token.digest:
        # The site has another key since then.
        Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING).update(
            trial_token_digest=token.digest
        )
    return ExternalClaim(attempt, token)


def _lock_running(sweep: Sweep) -> Sweep:
    """Its row as it is now: nobody else may take from the sweep before the transaction
    ends. Raises Taken where it does not run."""
    rows = Sweep.objects.select_for_update(no_key=True)
    row = rows.filter(pk=sweep.pk, state=SweepState.RUNNING).first()
    if row is None:
        raise Taken
    return row


def _begin(attempt: Attempt, client: str) -> ExternalClaim:
    token = _token(attempt)
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
    found = Attempt.objects.select_related("trial__sweep__experiment")
    logger.info("trial %s attempt %s handed out", attempt.trial_id, attempt.n)
    return ExternalClaim(found.get(pk=attempt.pk), token)


def _token(attempt: Attempt) -> Token:
    mac = salted_hmac("experiments.external", str(attempt.pk), algorithm="sha256")
    text = base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
    return token_of("trl", text)
