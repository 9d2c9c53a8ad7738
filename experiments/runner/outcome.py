"""How an attempt ended, as the site gets it; and how long an attempt may go on without
an answer from the site."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from experiments.runner.errors import SiteError, SiteSilent, Stop
from experiments.runner.processes import FileId
from experiments.runner.spec import AttemptSpec
from experiments.runner.stopping import NO_EXIT, SHELL_SIGNAL_BASE, Exit

MAX_MESSAGE_LENGTH, MAX_LOST_LENGTH = 2_000, 500
OUT_OF_MEMORY = "out_of_memory"
DISK_FULL = "disk_full"
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})

CUT_OFF = "cut_off"
# Parts of the lease: when a runner without an answer begins to end its training, and
# when that is over. After the whole lease the site may start another attempt.
CUT_OFF_AFTER, GONE_AFTER = 0.9, 1.0
# An answer counts as late after this many beats, and never before this many seconds.
LATE_BEATS, LATE_SECONDS = 2, 1.0


@dataclass(frozen=True, kw_only=True)
class AttemptOutcome:
    """How an attempt ended.

    `cause` is "exited", "stopped", "trial_timeout", "not_started", "released",
    "worker_problem" or "cut_off". `code` gives the kind of "not_started", or is
    "out_of_memory" or "disk_full"; `over_limit`: the memory that ran out was the
    trial's own limit. `elapsed` is in seconds of training, `peak_memory` in bytes.
    `unkilled` are processes that no signal could end. `writing` are the files that were
    open for writing when the runner killed it (None: the runner did not), `ended_at` is
    the host's time. `printed` are metrics in its output if it reported no other.
    """

    cause: str
    message: str
    exit: Exit = NO_EXIT
    code: str = ""
    over_limit: bool = False
    elapsed: float = 0.0
    peak_memory: int | None = None
    unkilled: tuple[int, ...] = ()
    writing: frozenset[FileId] | None = field(default=None, repr=False)
    ended_at: float = 0.0
    printed: tuple[str, ...] = ()

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it, perhaps during a write."""
        code = self.exit.code
        return self.exit.signal is not None or (
            code is not None and code > SHELL_SIGNAL_BASE
        )


def out_of_memory(message: str, *, over_limit: bool = False) -> AttemptOutcome:
    return AttemptOutcome(
        cause="exited", code=OUT_OF_MEMORY, message=message, over_limit=over_limit
    )


class FinishReport(TypedDict):
    """The body of the finish request."""

    exit_code: int | None
    signal: int | None
    cause: str
    code: str
    over_limit: bool
    message: str
    not_kept: str
    lost: list[str]
    elapsed: float
    peak_memory: int | None
    log_dropped: int
    unkilled: NotRequired[list[int]]
    printed: NotRequired[list[str]]


def finish_report(
    outcome: AttemptOutcome,
    *,
    log_dropped: int = 0,
    not_kept: str = "",
    lost: Sequence[str] = (),
    remark: str = "",
) -> FinishReport:
    """Put an outcome and what could not be kept into one body; `lost` are sentences
    about reports and output that did not arrive."""
    outputs = not_kept and f"not kept: {not_kept}"
    sentences = filter(None, [outcome.message, outputs, *lost, remark])
    report = FinishReport(
        exit_code=outcome.exit.code,
        signal=outcome.exit.signal,
        cause=outcome.cause,
        code=outcome.code,
        over_limit=outcome.over_limit,
        message="; ".join(sentences)[:MAX_MESSAGE_LENGTH],
        not_kept=not_kept[:MAX_MESSAGE_LENGTH],
        lost=[sentence[:MAX_LOST_LENGTH] for sentence in lost],
        elapsed=round(outcome.elapsed, 3),
        peak_memory=outcome.peak_memory,
        log_dropped=log_dropped,
    )
    if outcome.unkilled:
        report["unkilled"] = list(outcome.unkilled)
    if outcome.printed:
        report["printed"] = list(outcome.printed)
    return report


class Lease:
    """When the site last answered, in times of the monotonic clock.

    One for the whole attempt: a long preparation without an answer counts like a
    training without one.
    """

    def __init__(self) -> None:
        now = time.monotonic()
        # When the last accepted beat was sent; at first, when the attempt was claimed.
        self.answered_at = now
        # When the site, or at least its host, last responded.
        self.reached_at = now

    def note_answer(self, sent_at: float) -> None:
        """The site has accepted a beat that was sent at this time."""
        self.answered_at = self.reached_at = sent_at

    def note_absence(self, problem: SiteError) -> None:
        """If the site's host refuses or answers with an error, the site is down for
        every worker, so no other attempt can take over meanwhile."""
        if not isinstance(problem, SiteSilent):
            self.reached_at = time.monotonic()

    def answered_lately(self, spec: AttemptSpec) -> bool:
        late = max(LATE_BEATS * spec.heartbeat_seconds, LATE_SECONDS)
        return time.monotonic() - self.answered_at < late

    def cut_off_at(self, spec: AttemptSpec) -> float:
        """From when on another attempt may begin elsewhere; infinity for never."""
        lease = spec.lease_seconds
        if not lease or spec.rides_out:
            return math.inf
        # If beats are rarer than the lease allows, silence between them means nothing.
        two_beats = 2 * spec.heartbeat_seconds
        return self.reached_at + max(CUT_OFF_AFTER * lease, two_beats)


def cut_off_message(lease: float) -> str:
    """Why an attempt without an answer ends."""
    return (
        f"the site did not answer for {CUT_OFF_AFTER * lease:g} s, so another attempt"
        " may begin"
    )


class NotStarted(Exception):
    """There is no training process; `outcome` is what to report instead."""

    def __init__(self, outcome: AttemptOutcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def not_started(code: str, message: str) -> NotStarted:
    """The sweep is at fault: its command, code, Python or packages."""
    return NotStarted(AttemptOutcome(cause="not_started", code=code, message=message))


def environment_failed(message: str) -> NotStarted:
    """The trial's packages could not be installed."""
    return not_started("environment", message)


def worker_problem(message: str, cause: Exception) -> NotStarted:
    """The worker is at fault (no disk, memory or process left), not the sweep."""
    is_full = isinstance(cause, OSError) and cause.errno in DISK_FULL_ERRNOS
    return NotStarted(
        AttemptOutcome(
            cause="worker_problem",
            code=DISK_FULL if is_full else "",
            message=f"{message}: {cause}" if message else str(cause),
        )
    )


def released_early() -> NotStarted:
    return NotStarted(
        AttemptOutcome(cause="released", message="the worker is shutting down")
    )


def stopped_early(stop: Stop) -> NotStarted:
    return NotStarted(AttemptOutcome(cause="stopped", message=stop.message))


def cut_off_early(lease: float) -> NotStarted:
    """Another attempt may have begun while this one was prepared."""
    return NotStarted(AttemptOutcome(cause=CUT_OFF, message=cut_off_message(lease)))
