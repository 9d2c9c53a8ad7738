"""The end of an attempt as it is told to the site.

Attempts that end before their training process begins.

When the site was last heard of, from an attempt's claim to its end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from experiments.runner.errors import SiteError, SiteSilent, Stop
from experiments.runner.processes import FileId
from experiments.runner.spec import AttemptSpec
from experiments.runner.stopping import NO_EXIT, SHELL_SIGNAL_BASE, Exit

MAX_MESSAGE_LENGTH = 2_000


@dataclass(frozen=True, kw_only=True)
class AttemptOutcome:
    """How an attempt ended.

    `cause` is "exited", "stopped", "trial_timeout", "not_started", "released",
    "worker_problem" or "cut_off"; `code` says which kind of "not_started", or
    "out_of_memory". `elapsed` in seconds of training, `peak_memory` in bytes.
    `unkilled` are processes that no signal could end. `writing` are the files that
    were open for writing when it was killed (None: nobody here killed it), `ended_at`
    the host's time of the end.
    """

    cause: str
    message: str
    exit: Exit = NO_EXIT
    code: str = ""
    elapsed: float = 0.0
    peak_memory: int | None = None
    unkilled: tuple[int, ...] = ()
    writing: frozenset[FileId] | None = field(default=None, repr=False)
    ended_at: float = 0.0

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it, maybe in the middle of a write."""
        code = self.exit.code
        return self.exit.signal is not None or (
            code is not None and code > SHELL_SIGNAL_BASE
        )


class FinishReport(TypedDict):
    """The body of the finish request."""

    exit_code: int | None
    signal: int | None
    cause: str
    code: str
    message: str
    not_kept: str
    elapsed: float
    peak_memory: int | None
    log_dropped: int
    unkilled: NotRequired[list[int]]


def finish_report(
    outcome: AttemptOutcome,
    *,
    log_dropped: int = 0,
    not_kept: str = "",
    remarks: Sequence[str] = (),
) -> FinishReport:
    """Put an outcome and the remarks on what could not be kept into one body."""
    outputs = not_kept and f"not kept: {not_kept}"
    sentences = filter(None, [outcome.message, outputs, *remarks])
    report = FinishReport(
        exit_code=outcome.exit.code,
        signal=outcome.exit.signal,
        cause=outcome.cause,
        code=outcome.code,
        message="; ".join(sentences)[:MAX_MESSAGE_LENGTH],
        not_kept=not_kept[:MAX_MESSAGE_LENGTH],
        elapsed=round(outcome.elapsed, 3),
        peak_memory=outcome.peak_memory,
        log_dropped=log_dropped,
    )
    if outcome.unkilled:
        report["unkilled"] = list(outcome.unkilled)
    return report


CUT_OFF = "cut_off"
# Parts of the lease: when a runner that hears nothing begins to end its training, and
# when that is over. At the whole lease the site may start another attempt.
CUT_OFF_AFTER, GONE_AFTER = 0.9, 1.0
# An answer counts as a late one for this many beats, however quick beats are.
LATE_BEATS, LATE_SECONDS = 2, 1.0


class Lease:
    """Times of the monotonic clock. One for the whole attempt: a long preparation
    without an answer counts like a training without one."""

    def __init__(self) -> None:
        now = time.monotonic()
        # When a beat was sent that the site has accepted; at first, the claim.
        self.answered_at = now
        # When the site, or at least its host, was known to be there.
        self.heard_at = now

    def note_answer(self, asked_at: float) -> None:
        """A beat that was sent then has been accepted."""
        self.answered_at = self.heard_at = asked_at

    def note_absence(self, problem: SiteError) -> None:
        """Where the site's host refuses or answers with an error, the site itself is
        down, for everybody, and no other attempt can take over meanwhile."""
        if not isinstance(problem, SiteSilent):
            self.heard_at = time.monotonic()

    def answered_lately(self, spec: AttemptSpec) -> bool:
        late = max(LATE_BEATS * spec.heartbeat_seconds, LATE_SECONDS)
        return time.monotonic() - self.answered_at < late

    def cut_off_at(self, spec: AttemptSpec) -> float:
        """From when on another attempt may begin elsewhere; infinity for never."""
        lease = spec.lease_seconds
        if not lease or spec.rides_out:
            return math.inf
        # Where beats are rarer than leases allow, silence between them means nothing.
        rarely = 2 * spec.heartbeat_seconds
        return self.heard_at + max(CUT_OFF_AFTER * lease, rarely)


def cut_off_message(lease: float) -> str:
    """Why an attempt that hears nothing ends, in words."""
    return (
        f"nothing was heard from the site for {CUT_OFF_AFTER * lease:g} s, and"
        " another attempt may begin"
    )


class NotStarted(Exception):
    """There is no training process; `outcome` is what to report instead."""

    def __init__(self, outcome: AttemptOutcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def command_not_found(message: str) -> NotStarted:
    return NotStarted(_not_started("command_not_found", message))


def not_executable(message: str) -> NotStarted:
    return NotStarted(_not_started("not_executable", message))


def code_missing(message: str) -> NotStarted:
    return NotStarted(_not_started("code_missing", message))


def python_missing(message: str) -> NotStarted:
    return NotStarted(_not_started("python_missing", message))


def environment_failed(message: str) -> NotStarted:
    """The trial's packages could not be installed."""
    return NotStarted(_not_started("environment", message))


def worker_problem(message: str) -> NotStarted:
    """The worker is at fault (no disk, memory or process left), so nobody is blamed."""
    return NotStarted(AttemptOutcome(cause="worker_problem", message=message))


def released_early() -> NotStarted:
    return NotStarted(
        AttemptOutcome(cause="released", message="the worker is shutting down")
    )


def stopped_early(stop: Stop) -> NotStarted:
    return NotStarted(AttemptOutcome(cause="stopped", message=stop.message))


def cut_off_early(lease: float) -> NotStarted:
    """Another attempt may have begun while this one was prepared."""
    return NotStarted(AttemptOutcome(cause=CUT_OFF, message=cut_off_message(lease)))


def _not_started(code: str, message: str) -> AttemptOutcome:
    return AttemptOutcome(cause="not_started", code=code, message=message)
