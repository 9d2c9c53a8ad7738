"""A sweep's failures in groups of one error.

A failure's signature is stored when its attempt ends: reading ten thousand logs for a
page would take too long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, Min

from experiments import storage
from experiments.failures.signatures import MAX_BYTES, ProcessExit, signature_of
from experiments.lifecycle.attempts import Outcome
from experiments.models import Attempt, Sweep, Trial
from experiments.models.trials import AttemptState, TrialQuerySet, TrialState
from experiments.tracking.log_rows import log_rows

# Reasons of failures without a signature.
UNSIGNED = {
    "lost": "Its worker was lost, and no attempt was left",
    "": "It failed without a message",
}


def store_signature(attempt: Attempt, outcome: Outcome) -> None:
    """Store the signature of a failure that is about to end a running attempt.

    This comes before the end, so that every stored failure has its signature.
    """
    if outcome.cause not in ("exited", "not_started"):
        return
    facts = Trial.objects.filter(pk=attempt.trial_id)
    params, reports = facts.values_list("params", "reports").get()
    end = ProcessExit(
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        over_limit=outcome.over_limit,
        message=outcome.message,
        started=outcome.cause != "not_started",
        reported=reports > 0,
    )
    if not end.is_failure:
        return
    # Another stream may interrupt the lines of a traceback.
    rows = log_rows(storage.read_log(attempt.pk, last=MAX_BYTES))
    log = b"\n".join(row.data for row in rows)
    found = signature_of(end, log, params)
    if found is not None:
        Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING).update(
            error=found.text, signature=found.digest
        )


@dataclass(frozen=True)
class FailureGroup:
    """Failed trials of one sweep with one signature. ``first`` and ``last`` are the
    lowest and the highest of their numbers."""

    reason: str
    signature: str
    error: str
    count: int
    first: int
    last: int

    def trials_of(self, sweep: Sweep) -> TrialQuerySet:
        """The failed trials of the group."""
        failed = sweep.trials.own().filter(state=TrialState.FAILED, reason=self.reason)
        return failed.filter(current_attempt__signature=self.signature)

    @property
    def words(self) -> str:
        """The error, or the reason if there is none."""
        return self.error or UNSIGNED.get(self.reason, self.reason.replace("_", " "))


def failure_groups(sweep: Sweep) -> Sequence[FailureGroup]:
    """The sweep's failures by signature, the most frequent first, in one query."""
    failed = sweep.trials.own().filter(state=TrialState.FAILED).order_by()
    rows = failed.values_list(
        "reason", "current_attempt__signature", "current_attempt__error"
    ).annotate(count=Count("pk"), first=Min("number"), last=Max("number"))
    groups = [FailureGroup(r, s or "", e or "", *n) for r, s, e, *n in rows]
    return sorted(groups, key=lambda group: (-group.count, group.first))
