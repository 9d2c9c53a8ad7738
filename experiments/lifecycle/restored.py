"""What becomes of the work in a backup when it is restored: nothing runs by itself."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from experiments.lifecycle.attempts import RESTORED, lose_attempt
from experiments.lifecycle.sweeps import pause_sweep
from experiments.models import (
    Attempt,
    BrowserSession,
    Event,
    Notification,
    NotificationDelivery,
    SchedulerProcess,
    Sweep,
    Worker,
    WorkerToken,
)
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.search.wording import counted


class Held(NamedTuple):
    """How many sweeps were paused, attempts lost and worker credentials revoked."""

    sweeps: int
    attempts: int
    worker_tokens: int


def hold_restored(made_at: datetime, *, worker_tokens: bool) -> Held:
    """Pause what ran when the backup was made, and lose its attempts.

    The old site may have finished that work, or may still run it. So sweeps wait until
    somebody resumes them, tokens of trials are refused, and everyone logs in again.
    With ``worker_tokens`` the credentials of workers stay valid.
    """
    when = f"{made_at:%Y-%m-%d %H:%M} UTC"
    with transaction.atomic():
        _drop_waiting_notifications(when)
        sweeps = [
            pause_sweep(
                sweep,
                reason=RESTORED,
                message=f"Restored from the backup of {when}. Resume it to continue.",
            )
            for sweep in Sweep.all_objects.filter(state=SweepState.RUNNING)
        ]
        lost = [
            lose_attempt(
                attempt,
                reason=RESTORED,
                message=f"It ran when the backup of {when} was made.",
            )
            for attempt in Attempt.objects.filter(state=AttemptState.RUNNING)
        ]
        Worker.objects.filter(stopped_at=None).update(stopped_at=Now())
        SchedulerProcess.objects.filter(stopped_at=None).update(stopped_at=Now())
        BrowserSession.objects.all().delete()
        valid = WorkerToken.objects.filter(revoked_at=None)
        revoked = 0 if worker_tokens else valid.update(revoked_at=Now())
        held = Held(sum(sweeps), sum(lost), revoked)
        Event.log("restored", f"From the backup of {when}: {words(held)}.")
    return held


def _drop_waiting_notifications(when: str) -> None:
    """The old site may have sent them since."""
    Notification.objects.filter(addressed_at=None).update(addressed_at=Now())
    waiting = NotificationDelivery.objects.filter(state="waiting")
    answer = f"Not sent: it waited when the backup of {when} was made."
    waiting.update(state="failed", due_at=None, answer=answer)


def words(held: Held) -> str:
    """What was held, as a person reads it."""
    return (
        f"{counted(held.sweeps, 'sweep')} paused, {counted(held.attempts, 'attempt')}"
        f" lost, {counted(held.worker_tokens, 'worker credential')} revoked"
    )
