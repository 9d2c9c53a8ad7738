"""The end of an attempt as it is told to the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from experiments.runner.exits import NO_EXIT, SHELL_SIGNAL_BASE, Exit
from experiments.runner.writers import FileId

LONGEST_MESSAGE = 2_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
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
    outcome: Outcome,
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
        message="; ".join(sentences)[:LONGEST_MESSAGE],
        not_kept=not_kept[:LONGEST_MESSAGE],
        elapsed=round(outcome.elapsed, 3),
        peak_memory=outcome.peak_memory,
        log_dropped=log_dropped,
    )
    if outcome.unkilled:
        report["unkilled"] = list(outcome.unkilled)
    return report
