"""The card that says why trials fail, where there is no answer to show instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html

from experiments import storage
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.failures import Failure, Sentence, advice, cause, out_of_time
from experiments.pages.log_text import Line, last_lines, parse_log
from experiments.pages.sweep.standing import SweepStanding
from experiments.search.figures import counted

MOST_LINES = 12
LOG_BYTES = 16 << 10
# Failures are looked through for their cause, the newest first.
MOST_COMPARED = 200
TIMEOUT = "trial_timeout"
FIRST_ONE = (
    "Then clone the sweep with the repaired code; trying one trial first"
    " (max_total_trials: 1) costs little."
)


@dataclass(frozen=True)
class FailureCard:
    """Two sentences, the last failed trial with the end of its log, and what to try."""

    headline: str
    cause: Sentence
    facts: str
    trial: Trial
    ended_with: Sentence
    error: str
    lines: Sequence[Line]
    advice: Sequence[Sentence]


def needs_failure_card(standing: SweepStanding) -> bool:
    """Whether failures are what the page is about."""
    sweep, failed = standing.sweep, standing.counts[TrialState.FAILED]
    if not failed:
        return all_timed_out(standing)
    stopped = sweep.state == SweepState.FAILED
    paused = sweep.state == SweepState.PAUSED and sweep.reason == "max_failed_trials"
    return stopped or paused or standing.best is None


def all_timed_out(standing: SweepStanding) -> bool:
    """Whether each trial of an ended sweep was cut off by its limit without a value."""
    over = standing.sweep.has_ended and standing.best is None
    if not over or not standing.tried:
        return False
    cut = standing.sweep.trials.filter(reason=TIMEOUT, value__isnull=True)
    return standing.counts[TrialState.CANCELLED] == standing.tried == cut.count()


def failure_card(standing: SweepStanding) -> FailureCard | None:
    """The card where it is needed, from the last trial that failed."""
    sweep = standing.sweep
    if not needs_failure_card(standing):
        return None
    failure = _last_failure(sweep)
    return FailureCard(
        headline=headline(standing),
        cause=_cause(standing, failure),
        facts=_facts(standing),
        trial=failure.trial,
        ended_with=cause(failure),
        error=failure.error or failure.trial.message,
        lines=failure.log,
        advice=[*advice(failure), FIRST_ONE],
    )


def _last_failure(sweep: Sweep) -> Failure:
    failed = sweep.trials.filter(state=TrialState.FAILED)
    trials = failed if failed.exists() else sweep.trials.filter(reason=TIMEOUT)
    related = trials.select_related("current_attempt", "sweep")
    trial = related.latest("ended_at", "number")
    log = storage.read_log(trial.current_attempt_id or 0, last=LOG_BYTES)
    return Failure(trial, last_lines(parse_log(log), MOST_LINES))


def headline(standing: SweepStanding) -> str:
    """What happened to the sweep, in one sentence."""
    sweep, failed = standing.sweep, standing.counts[TrialState.FAILED]
    if not failed:
        return _timed_out(standing)
    of = f"{failed} of {counted(standing.planned, 'trial')}"
    if sweep.state == SweepState.PAUSED:
        return f"The sweep was paused after {counted(failed, 'failed trial')}."
    if sweep.reason == "first_trials_failed":
        return f"The first {of} failed, so the sweep was stopped."
    if sweep.has_ended and failed == standing.tried:
        return f"All {failed:,} trials failed." if failed > 1 else "Its trial failed."
    if sweep.has_ended:
        return f"{of} failed, and none left a best value."
    if failed < standing.ended:
        return f"{failed} of the {standing.ended:,} trials that ended have failed."
    few = {1: "The one trial that has ended failed.", 2: "Both trials so far failed."}
    return few.get(failed, f"All {failed:,} trials so far failed.")


def _timed_out(standing: SweepStanding) -> str:
    words, metric = out_of_time(standing.sweep), standing.sweep.primary_metric
    if standing.tried == 1:
        return f"Its trial ran out of its {words} before reporting {metric}."
    return (
        f"All {standing.tried:,} trials ran out of their {words} before reporting"
        f" {metric}."
    )


def _cause(standing: SweepStanding, failure: Failure) -> Sentence:
    """Whether it is always the same, in one sentence."""
    sweep = standing.sweep
    if not standing.counts[TrialState.FAILED]:
        return "limits.trial_timeout cancels a trial that takes longer."
    newest = sweep.trials.filter(state=TrialState.FAILED).order_by("-number")
    seen = list(newest.values_list("reason", "message")[:MOST_COMPARED])
    if len(seen) > 1 and len(set(seen)) == 1:
        return format_html("All {} ended alike: {}.", len(seen), cause(failure))
    number = failure.trial.number
    return format_html("Trial {} was the last: {}.", number, cause(failure))


def _facts(standing: SweepStanding) -> str:
    sweep = standing.sweep
    facts = []
    left = standing.to_come - standing.live
    if left and sweep.has_ended:
        verb = "was" if left == 1 else "were"
        facts.append(f"{counted(left, 'trial')} {verb} not started.")
    if standing.best is None:
        facts.append(_why_no_best(sweep))
    if sweep.state == SweepState.PAUSED and sweep.max_failed_trials:
        facts.append(
            f"Rule: pause after {counted(sweep.max_failed_trials, 'failure')}; resuming"
            " allows as many again."
        )
    return " ".join(facts)


def _why_no_best(sweep: Sweep) -> str:
    metric = sweep.primary_metric
    reported = sweep.trials.filter(value__isnull=False)
    count = reported.count()
    if not count:
        return f"None reported {metric}, so there is no best trial."
    failed = reported.filter(state=TrialState.FAILED).count()
    if not failed and sweep.has_ended:
        cut = counted(count, "trial")
        return f"{cut} had reported {metric} when the sweep was stopped; none is best."
    if not failed:
        return f"{counted(count, 'running trial')} reported {metric} so far."
    if failed == 1:
        return (
            f"1 reported {metric} before it failed; a failed trial is never the best."
        )
    return (
        f"{failed:,} reported {metric} before they failed; failed trials are never the"
        " best."
    )
