"""The end of an attempt as it is told to the site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from experiments.runner.exits import NO_EXIT, Exit

LONGEST_MESSAGE = 2_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended.

    `cause` is "exited", "stopped", "trial_timeout", "not_started" or "released";
    `code` says which kind of "not_started". `elapsed` in seconds of training,
    `peak_memory` in bytes. `unkilled` are processes that no signal could end.
    """

    cause: str
    message: str
    exit: Exit = NO_EXIT
    code: str = ""
    elapsed: float = 0.0
    peak_memory: int | None = None
    unkilled: tuple[int, ...] = ()


class FinishReport(TypedDict):
    """The body of the finish request."""

    exit_code: int | None
    signal: int | None
    cause: str
    code: str
    message: str
    elapsed: float
    peak_memory: int | None
    log_dropped: int
    unkilled: NotRequired[list[int]]


def finish_report(
    outcome: Outcome, *, log_dropped: int, remarks: list[str]
) -> FinishReport:
    """Put an outcome and the remarks on what could not be kept into one body."""
    sentences = filter(None, [outcome.message, *remarks])
    report = FinishReport(
        exit_code=outcome.exit.code,
        signal=outcome.exit.signal,
        cause=outcome.cause,
        code=outcome.code,
        message="; ".join(sentences)[:LONGEST_MESSAGE],
        elapsed=round(outcome.elapsed, 3),
        peak_memory=outcome.peak_memory,
        log_dropped=log_dropped,
    )
    if outcome.unkilled:
        report["unkilled"] = list(outcome.unkilled)
    return report
