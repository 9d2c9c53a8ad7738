"""The state machine. Every change of a sweep's, trial's or attempt's state is here.

A transition is one filtered UPDATE: its row count says which caller won; the others
change nothing. Final states never change, except failures for lack of a metric, which
another primary metric takes back. Nothing here uses the queue: callers notify it after
the commit.
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
    renew_ask_heartbeats,
    renew_future_heartbeats,
)
from experiments.lifecycle.claims import (
    AskClaim,
    Claim,
    NoRoom,
    ask_heartbeat,
    ask_heartbeats,
    claim_attempt,
    claim_new_trial,
    claim_queued_trial,
    unfinished,
)
from experiments.lifecycle.preflight import (
    PREFLIGHT_FAILED,
    PREFLIGHT_HELD,
    end_preflight,
    repeat_preflight,
    start_preflight,
)
from experiments.lifecycle.requests import add_requests, make_room, withdraw_request
from experiments.lifecycle.restored import Held, hold_restored
from experiments.lifecycle.runs import (
    RUN_ENDS,
    RUN_STARTED,
    end_run_by_hand,
    finish_run,
    reopen_run,
    restore_run,
    revoke_run_tokens,
    start_run,
    trash_run,
)
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
    CANCELLED_SOME,
    POLICY,
    accept_reported,
    cancel_trial,
    cancel_trials,
    create_trial,
    is_incomplete,
    request_stop,
    stop_live_trials,
)
from experiments.lifecycle.workers import (
    drain_words,
    drain_worker,
    forget_worker,
    take_back,
    undrain_worker,
)
