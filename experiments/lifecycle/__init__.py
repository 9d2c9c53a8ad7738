"""The state machine. Every change of a sweep's, trial's or attempt's state is here.

A transition is one filtered UPDATE whose row count says who won; a caller that comes
second changes nothing and is told so. Final states never change, but for failures for
want of a metric that another metric takes back. Nothing here rings a doorbell: callers
do, after the commit.
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
    renew_future_signs,
    renew_outside_signs,
)
from experiments.lifecycle.claims import (
    Claim,
    ExternalClaim,
    NoRoom,
    beat_outside,
    claim_attempt,
    claim_external,
    claim_queued,
    unfinished,
)
from experiments.lifecycle.preflight import (
    PREFLIGHT_FAILED,
    PREFLIGHT_HELD,
    end_preflight,
    repeat_preflight,
    start_preflight,
)
from experiments.lifecycle.requests import make_room, take_wishes, withdraw_wish
from experiments.lifecycle.sweeps import (
    EXTENDED,
    cancel_sweep,
    complete_sweep,
    extend_sweep,
    fail_sweep,
    lock_sweep,
    mark_exhausted,
    pause_sweep,
    put_back_running,
    resume_sweep,
    settle_commit,
    start_sweep,
)
from experiments.lifecycle.trials import (
    CANCELLED_ALONE,
    POLICY,
    accept_reported,
    cancel_trial,
    create_trial,
    request_stop,
    stop_live_trials,
)
from experiments.lifecycle.workers import (
    drain_worker,
    forget_worker,
    take_back_with_room,
    undrain_worker,
)

__all__ = [
    "CANCELLED_ALONE",
    "EXTENDED",
    "PAUSE_MESSAGE",
    "POLICY",
    "PREFLIGHT_FAILED",
    "PREFLIGHT_HELD",
    "Cause",
    "Claim",
    "ExternalClaim",
    "NoRoom",
    "Outcome",
    "accept_reported",
    "ask_release",
    "beat",
    "beat_outside",
    "cancel_sweep",
    "cancel_trial",
    "claim_attempt",
    "claim_external",
    "claim_queued",
    "complete_sweep",
    "create_trial",
    "drain_worker",
    "end_preflight",
    "extend_sweep",
    "fail_sweep",
    "finish_attempt",
    "forget_worker",
    "is_released",
    "lock_sweep",
    "lose_attempt",
    "make_room",
    "mark_exhausted",
    "pause_sweep",
    "put_back_running",
    "renew_future_signs",
    "renew_outside_signs",
    "repeat_preflight",
    "request_stop",
    "resume_sweep",
    "settle_commit",
    "start_preflight",
    "start_sweep",
    "stop_live_trials",
    "take_back_with_room",
    "take_wishes",
    "undrain_worker",
    "unfinished",
    "withdraw_wish",
]
