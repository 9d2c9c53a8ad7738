"""The card that says why trials fail, where there is no answer to show instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments import storage
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.failure_words import advice, end_in_words
from experiments.pages.log_text import Line, last_lines, parse_log
from experiments.pages.sweep_standing import SweepStanding
from experiments.search.figures import counted

MOST_LINES = 12
LOG_BYTES = 16 << 10
# Failures are looked through for their cause, the newest first.
MOST_COMPARED = 200


@dataclass(frozen=True)
class FailureCard:
    """Two sentences, the last failed trial with the end of its log, and what to try."""

    headline: str
    cause: str
    facts: str
    trial: Trial
    ended_with: str
    error: str
    lines: Sequence[Line]
    advice: str


def needs_failure_card(standing: SweepStanding) -> bool:
    """Whether failures are what the page is about."""
    sweep, failed = standing.sweep, standing.counts[TrialState.FAILED]
    if not failed:
        return False
    stopped = sweep.state == SweepState.FAILED
    paused = sweep.state == SweepState.PAUSED and sweep.reason == "max_failed_trials"
    return stopped or paused or standing.best is None


def failure_card(standing: SweepStanding) -> FailureCard | None:
    """The card where it is needed, from the last trial that failed."""
    sweep = standing.sweep
    if not needs_failure_card(standing):
        return None
    trials = sweep.trials.filter(state=TrialState.FAILED)
    trial = trials.select_related("current_attempt").latest("ended_at", "number")
    log = storage.read_log(trial.current_attempt_id or 0, last=LOG_BYTES)
    lines = last_lines(parse_log(log), MOST_LINES)
    error = error_line(lines) or trial.message
    return FailureCard(
        headline=headline(standing),
        cause=_cause(sweep, trial),
        facts=_facts(standing),
        trial=trial,
        ended_with=end_in_words(trial, trial.current_attempt),
        error=error,
        lines=lines,
        advice=advice(trial, error, metric=sweep.primary_metric, pool=sweep.pool.name),
    )


def error_line(lines: Sequence[Line]) -> str:
    """The line that names the error: the last one that is neither ours nor indented."""
    for line in reversed(lines):
        if not line.ours and not line.text[:1].isspace():
            return line.text
    return ""


def headline(standing: SweepStanding) -> str:
    """What happened to the sweep, in one sentence."""
    sweep, failed = standing.sweep, standing.counts[TrialState.FAILED]
    of = f"{failed} of {counted(standing.planned, 'trial')}"
    if sweep.state == SweepState.PAUSED:
        return f"The sweep was paused after {counted(failed, 'failed trial')}."
    if sweep.reason == "first_trials_failed":
        return f"The first {of} failed, so the sweep was stopped."
    if sweep.has_ended and failed == standing.tried:
        return f"All {failed:,} trials failed." if failed > 1 else "Its trial failed."
    if sweep.has_ended:
        return f"{of} failed, and none gave a value."
    if standing.ended == 1:
        return "The one trial that has ended failed."
    return f"{failed} of the {standing.ended:,} trials that ended have failed."


def _cause(sweep: Sweep, trial: Trial) -> str:
    """Whether it is always the same, in one sentence."""
    newest = sweep.trials.filter(state=TrialState.FAILED).order_by("-number")
    seen = list(newest.values_list("reason", "message")[:MOST_COMPARED])
    words = end_in_words(trial, trial.current_attempt)
    if len(seen) > 1 and len(set(seen)) == 1:
        return f"All {len(seen)} ended alike: {words}."
    return f"Trial {trial.number} was the last: {words}."


def _facts(standing: SweepStanding) -> str:
    sweep = standing.sweep
    facts = []
    left = standing.to_come - standing.live
    if left and sweep.has_ended:
        verb = "was" if left == 1 else "were"
        facts.append(f"{counted(left, 'trial')} {verb} not started.")
    if standing.best is None:
        facts.append(
            f"None reported {sweep.primary_metric}, so there is no best trial."
        )
    if sweep.state == SweepState.PAUSED and sweep.max_failed_trials:
        facts.append(
            f"Rule: pause after {counted(sweep.max_failed_trials, 'failure')}; resuming"
            " allows as many again."
        )
    return " ".join(facts)
