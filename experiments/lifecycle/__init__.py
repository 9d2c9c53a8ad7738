"""The state machine. Every change of a sweep's, trial's or attempt's state is here.

A transition is one filtered UPDATE whose row count says who won; a caller that comes
second changes nothing and is told so. Final states never change. Nothing here rings a
doorbell: callers do, after the commit.
"""

from __future__ import annotations

from experiments.lifecycle.attempts import (
    PAUSE_MESSAGE,
    Cause,
    Outcome,
    ask_release,
    beat,
    finish_attempt,
    is_released,
    lose_attempt,
)
from experiments.lifecycle.claims import Claim, claim_attempt
from experiments.lifecycle.drains import drain_worker, undrain_worker
from experiments.lifecycle.preflights import (
    PREFLIGHT_FAILED,
    PREFLIGHT_HELD,
    end_preflight,
    repeat_preflight,
    start_preflight,
)
from experiments.lifecycle.seats import NoRoom
from experiments.lifecycle.commits import settle_commit
from experiments.lifecycle.sweeps import (
    RUN_AGAIN,
    cancel_sweep,
    complete_sweep,
    fail_sweep,
    mark_exhausted,
    pause_sweep,
    resume_sweep,
    run_again,
    start_sweep,
)
from experiments.lifecycle.trials import (
    POLICY,
    create_trial,
    request_stop,
    stop_live_trials,
)

__all__ = [
    "PAUSE_MESSAGE",
    "POLICY",
    "PREFLIGHT_FAILED",
    "PREFLIGHT_HELD",
    "RUN_AGAIN",
    "Cause",
    "Claim",
    "NoRoom",
    "Outcome",
    "ask_release",
    "beat",
    "cancel_sweep",
    "claim_attempt",
    "complete_sweep",
    "create_trial",
    "drain_worker",
    "end_preflight",
    "fail_sweep",
    "finish_attempt",
    "is_released",
    "lose_attempt",
    "mark_exhausted",
    "pause_sweep",
    "repeat_preflight",
    "request_stop",
    "resume_sweep",
    "run_again",
    "start_preflight",
    "settle_commit",
    "start_sweep",
    "stop_live_trials",
    "undrain_worker",
]
