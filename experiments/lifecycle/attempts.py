"""Transitions of attempts, and what they mean for their trials.

Also: heartbeats that a change of the database's clock has made too old or too new.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Now

from experiments.db.prepared import Placeholder, Update
from experiments.lifecycle.trials import (
    INCOMPLETE,
    NO_METRIC,
    POLICY,
    RAN_TO_THE_END,
    end_trial,
    queue_attempt,
)
from experiments.models import Attempt, Metric, ReportVersion, Sweep, Trial, Worker
from experiments.models.missing import MissingData
from experiments.models.sweeps import SWEEP_ENDS
from experiments.models.trials import AttemptState, TrialState
from experiments.runner.failpoints import failpoint
from experiments.search.fields import listed

logger = logging.getLogger(__name__)

# A host that dies with every attempt must not get new ones forever.
MAX_ATTEMPTS = 20
# Workers may fail to start a trial this often before it fails.
MAX_HOST_FAILURES = 6

# Losses that neither the trial nor the host caused: a worker was shut down, or a sweep
# was paused and its running trials stopped.
RELEASED, PAUSED = "released", "paused"
PARENT_ENDED = "Its trial has ended."
PAUSE_MESSAGE = "The sweep was paused; this trial continues later from its outputs."
# The worker ran out of disk, memory or processes, or its settings are wrong.
WORKER_PROBLEM = "worker_problem"
# The runner could not reach the site for longer than the lease and ended its training.
CUT_OFF = "cut_off"
# It ran when the backup was made from which the site was restored.
RESTORED = "restored"
UNCOUNTED = frozenset({RELEASED, PAUSED, WORKER_PROBLEM, RESTORED})

# Failures of the script itself, for `retries: on_failure`.
OUT_OF_MEMORY = "out_of_memory"
OWN_FAILURES = frozenset({"exit_code", "signal", OUT_OF_MEMORY})

BEAT = Update(
    lambda: Attempt.objects.filter(pk=Placeholder("pk"), state=AttemptState.RUNNING),
    heartbeat_at=Now(),
    pid=Placeholder("pid"),
    elapsed=Placeholder("elapsed"),
    phase=Placeholder("phase"),
)


def beat(
    attempt: Attempt, *, pid: int | None, elapsed: float | None, phase: str = ""
) -> bool:
    """Renew the lease. False: the attempt no longer runs.

    ``phase`` says what the runner does before training begins.
    """
    return bool(BEAT.run(pk=attempt.pk, pid=pid, elapsed=elapsed, phase=phase))


Cause = Literal[
    "exited",
    "stopped",
    "trial_timeout",
    "not_started",
    "released",
    "worker_problem",
    "cut_off",
]
LOSSES: Mapping[str, str] = {
    "released": RELEASED,
    "worker_problem": WORKER_PROBLEM,
    "cut_off": CUT_OFF,
}


@dataclass(frozen=True)
class Outcome:
    """How a training process ended, as its runner saw it."""

    cause: Cause
    exit_code: int | None = None
    signal: int | None = None
    code: str = ""
    over_limit: bool = False
    message: str = ""
    not_kept: str = ""
    lost: Sequence[str] = ()
    elapsed: float | None = None
    peak_memory: int | None = None
    log_dropped: int = 0
    # Metrics in its output, in case it reported none.
    printed: Sequence[str] = ()

    def facts(self, attempt: Attempt) -> dict[str, Any]:
        """The columns of the attempt that hold it, however the attempt has ended."""
        missing = MissingData.of(attempt.missing).with_lost(self.lost).dump()
        return {
            **({"missing": missing} if self.lost else {}),
            # Training may begin and end between two heartbeats.
            **({"phase": ""} if self.elapsed else {}),
            "message": self.message,
            "not_kept": self.not_kept,
            "elapsed": self.elapsed,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "peak_memory": self.peak_memory,
            "log_dropped": self.log_dropped,
        }


def ask_release(sweep: Sweep) -> int:
    """Ask the running attempts of a sweep to stop and give their trials back.

    Runners find this in the reply to their next heartbeat, scripts in the reply to
    their next report. Such an attempt is lost for the reason PAUSED, which does not
    count; its trial is queued again, unless it is asked to stop for good. Asked trials
    continue: nobody would start them again.
    """
    trials = Trial.objects.filter(sweep=sweep)
    return Attempt.objects.filter(
        trial__in=trials.values("pk"),
        state=AttemptState.RUNNING,
        worker__isnull=False,
        release_requested_at=None,
        stop_requested_at=None,
    ).update(release_requested_at=Now())


def finish_attempt(attempt: Attempt, outcome: Outcome) -> bool:
    """End a running attempt and its trial. False: it has ended already.

    The trial is queued again after a loss (a shutdown, a pause, a problem of the
    worker), or after a failure of the script if the sweep allows another attempt.
    """
    if loss := _loss_reason(attempt, outcome):
        return lose_attempt(
            attempt,
            reason=loss,
            message=outcome.message,
            facts=outcome.facts(attempt),
        )
    with transaction.atomic():
        won = Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING).update(
            state=AttemptState.FINISHED,
            ended_at=Now(),
            heartbeat_at=Now(),
            reason=outcome.code or outcome.cause,
            **outcome.facts(attempt),
        )
        if not won:
            return False
        failpoint("finish.updated")
        trial = Trial.objects.select_related("sweep").get(pk=attempt.trial_id)
        state, reason, message = _final_state(trial, outcome)
        _end_children(attempt, state)
        if state == TrialState.FAILED and _may_retry(trial, reason):
            _start_over(trial)
        else:
            end_trial(trial, state, reason=reason, message=message)
    failpoint("finish.committed")
    return True


def _end_children(attempt: Attempt, state: TrialState) -> None:
    """The runs below a trial have its token, and end with its attempt; those that its
    script has not ended are completed if the trial is, else cancelled."""
    own = Attempt.objects.filter(
        trial_token_digest=attempt.trial_token_digest, pool=None
    ).exclude(pk=attempt.pk)
    found = own.order_by("pk").values_list("pk", flat=True)
    children = list(found) if attempt.trial_token_digest else []
    if not children:
        return
    attempts = Attempt.objects.filter(pk__in=children)
    attempts.update(trial_token_digest="")
    end = {"message": PARENT_ENDED, "ended_at": Now()}
    attempts.filter(state=AttemptState.RUNNING).update(
        state=AttemptState.FINISHED, elapsed=None, **end
    )
    completed = state == TrialState.COMPLETED
    Trial.objects.filter(current_attempt__in=children, state=TrialState.RUNNING).update(
        state=state if completed else TrialState.CANCELLED, updated_at=Now(), **end
    )


def _loss_reason(attempt: Attempt, outcome: Outcome) -> str:
    """Why this end is a loss of the infrastructure; empty if it is not."""
    if outcome.cause == "stopped" and is_released(attempt):
        return PAUSED
    return LOSSES.get(outcome.cause, "")


def is_released(attempt: Attempt) -> bool:
    """Whether its trial is queued again when it stops."""
    return Attempt.objects.filter(
        pk=attempt.pk, release_requested_at__isnull=False, trial__stop_reason=""
    ).exists()


def _may_retry(trial: Trial, reason: str) -> bool:
    """Whether the sweep allows another attempt after this failure of the script."""
    sweep = trial.sweep
    if sweep is None or reason not in OWN_FAILURES or sweep.state in SWEEP_ENDS:
        return False
    failures = trial.attempts.filter(state=AttemptState.FINISHED).count()
    return failures <= sweep.on_failure


def _final_state(trial: Trial, outcome: Outcome) -> tuple[TrialState, str, str]:
    """State, reason and message of a trial whose process has ended."""
    if outcome.cause == "trial_timeout":
        return TrialState.CANCELLED, "trial_timeout", outcome.message
    if trial.stop_reason == POLICY:
        return TrialState.TERMINATED, POLICY, trial.stop_message
    if trial.stop_reason:
        return TrialState.CANCELLED, trial.stop_reason, trial.stop_message
    if outcome.cause == "not_started":
        return TrialState.FAILED, outcome.code or "not_started", outcome.message
    if outcome.code == OUT_OF_MEMORY:
        return TrialState.FAILED, OUT_OF_MEMORY, outcome.message
    if outcome.signal is not None or outcome.exit_code:
        reason = "signal" if outcome.signal is not None else "exit_code"
        return TrialState.FAILED, reason, outcome.message
    if trial.sweep is not None and not trial.reports:
        return TrialState.FAILED, NO_METRIC, _no_metric_message(trial, outcome.printed)
    return TrialState.COMPLETED, "", _complete_message(outcome)


def _complete_message(outcome: Outcome) -> str:
    files = [f"outputs are not kept: {outcome.not_kept}"] if outcome.not_kept else []
    missing = "; ".join([*outcome.lost, *files])
    return f"{INCOMPLETE} {missing}." if missing else RAN_TO_THE_END


def _no_metric_message(trial: Trial, printed: Sequence[str]) -> str:
    """Lists the names that it reported or printed, so that a misspelt one is seen at
    once."""
    wanted = trial.sweep.primary_metric if trial.sweep else ""
    metrics = Metric.objects.of_training().filter(attempt=trial.current_attempt)
    seen = list(metrics.order_by("name").values_list("name", flat=True)[:20])
    lines = f"; its output has lines such as {_quoted(printed)}" if printed else ""
    return (
        f'It never reported "{wanted}". It reported {_quoted(seen) or "no metric"}'
        f"{lines}."
    )


def _quoted(names: Sequence[str]) -> str:
    return listed(f'"{name}"' for name in names)


def lose_attempt(
    attempt: Attempt,
    *,
    reason: str,
    message: str,
    silent_since: datetime | None = None,
    facts: Mapping[str, Any] | None = None,
) -> bool:
    """The infrastructure lost a running attempt: queue its trial again, or fail it.

    A trial that was asked to stop ends now. With ``silent_since`` an attempt with a
    later heartbeat continues; ``facts`` are further columns to set.
    """
    running = Attempt.objects.filter(pk=attempt.pk, state=AttemptState.RUNNING)
    if silent_since is not None:
        running = running.filter(heartbeat_at__lt=silent_since)
    columns = {**(facts or {}), "reason": reason, "message": message}
    with transaction.atomic():
        won = running.update(state=AttemptState.LOST, ended_at=Now(), **columns)
        if not won:
            return False
        _end_children(attempt, TrialState.CANCELLED)
        failpoint("lose.updated")
        trial = Trial.objects.select_related("sweep").get(pk=attempt.trial_id)
        _after_loss(trial, reason, message)
    failpoint("lose.committed")
    logger.info("trial %s attempt %s lost: %s", trial.pk, attempt.n, reason)
    return True


def _after_loss(trial: Trial, reason: str, message: str) -> None:
    if trial.stop_reason:
        ended = trial.stop_reason == POLICY
        state = TrialState.TERMINATED if ended else TrialState.CANCELLED
        end_trial(trial, state, reason=trial.stop_reason, message=trial.stop_message)
    elif trial.sweep is not None and trial.sweep.state in SWEEP_ENDS:
        end_trial(
            trial,
            TrialState.CANCELLED,
            reason=trial.sweep.reason,
            message=trial.sweep.message,
        )
    elif _may_try_again(trial, reason):
        _start_over(trial)
    else:
        reason = WORKER_PROBLEM if reason == WORKER_PROBLEM else "lost"
        end_trial(trial, TrialState.FAILED, reason=reason, message=message)


def _may_try_again(trial: Trial, reason: str) -> bool:
    """Whether a trial gets another attempt after one was lost for this reason."""
    if trial.sweep is None:
        return False
    lost = trial.attempts.filter(state=AttemptState.LOST).exclude(reason=PAUSED)
    if reason == PAUSED:
        return True
    if reason == WORKER_PROBLEM:
        return lost.filter(reason=WORKER_PROBLEM).count() < MAX_HOST_FAILURES
    counts = lost.exclude(reason__in=UNCOUNTED).count()
    return counts < trial.sweep.max_attempts and lost.count() < MAX_ATTEMPTS


def _start_over(trial: Trial) -> None:
    _forget_reports(trial)
    queue_attempt(trial)


def _forget_reports(trial: Trial) -> None:
    """Training starts over, so reports count from one again. The points of the earlier
    attempt stay."""
    Trial.objects.filter(pk=trial.pk).update(
        reports=0,
        value=None,
        value_report=None,
        last_value=None,
        stamp=ReportVersion.advance(trial.sweep_id) if trial.sweep_id else 0,
        updated_at=Now(),
    )


# Times further in the future than this come from a clock that was set back.
MIN_STEP = timedelta(seconds=5)


def renew_future_heartbeats() -> None:
    """Set heartbeats and dispatches that lie in the future to now.

    Otherwise a dead process seems alive until the clock gets there, and an attempt
    that nobody claimed is not dispatched again.
    """
    future = Now() + Value(MIN_STEP)
    attempts = Attempt.objects.filter(
        state=AttemptState.RUNNING, heartbeat_at__gt=future
    )
    queued = Attempt.objects.filter(state=AttemptState.QUEUED, dispatched_at__gt=future)
    workers = Worker.objects.filter(seen_at__gt=future)
    renewed = (
        workers.update(seen_at=Now())
        + attempts.update(heartbeat_at=Now())
        + queued.update(dispatched_at=Now())
    )
    if renewed:
        logger.warning(
            "set %d heartbeats and dispatches to now: they were later", renewed
        )


def renew_ask_heartbeats() -> None:
    """The same for asked trials, which report too rarely for a lease."""
    asked = Attempt.objects.filter(
        state=AttemptState.RUNNING,
        worker=None,
        runner_token_digest="",
        pool__isnull=False,
    )
    renewed = asked.update(heartbeat_at=Now())
    if renewed:
        logger.warning("set the heartbeats of %d ask-and-tell trials to now", renewed)
