"""The card that says why trials fail: what happened, the error, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html

from experiments import lifecycle, storage
from experiments.failures import circuit_breaker
from experiments.failures.groups import FailureGroup, failure_groups
from experiments.failures.known_errors import known_error
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.failures import Failure, Sentence, advice, cause, out_of_time
from experiments.pages.frame import whole_number
from experiments.pages.log_text import LogLine, last_lines, parse_log
from experiments.pages.sweep.failure_comparison import (
    FailureComparison,
    failure_comparison,
)
from experiments.pages.sweep.summary import SweepSummary
from experiments.search.wording import counted
from experiments.sweeps.remedies import Remedy, Situation, picked_group, remedies

# Pauses because of failures; after the others a sweep waits for a decision.
FAILURES = frozenset(
    {"max_failed_trials", circuit_breaker.SAME_FAILURE, lifecycle.PREFLIGHT_FAILED}
)
PAUSES = FAILURES | {lifecycle.PREFLIGHT_HELD}
TIMEOUT = "trial_timeout"
# How many messages of failures without a signature are compared.
MAX_COMPARED = 200
MAX_LINES, LOG_BYTES = 12, 16 << 10
MAX_GROUPS, MAX_NUMBERS = 6, 4
# A running sweep mentions its failures from this number and share of ended trials on.
MIN_MENTIONED, MIN_SHARE_MENTIONED = 3, 0.1
BLANK = re.compile("(‹[^›]*›)")


@dataclass(frozen=True)
class FailureCard:
    """``error``: pieces, every other one a blank. ``others``: numbers of failed trials
    whose logs can be picked. ``lines``: the end of a log."""

    headline: str
    cause: Sentence
    facts: str
    trial: Trial
    ended_with: Sentence
    error: Sequence[str]
    lines: Sequence[LogLine]
    advice: Sequence[Sentence]
    groups: Sequence[FailureGroup]
    group: FailureGroup | None
    others: Sequence[int]
    comparison: FailureComparison | None
    remedies: Sequence[Remedy]

    @property
    def title(self) -> str:
        if self.group is None or self.group.count == 1:
            return "The error"
        if len(self.groups) == 1:
            return f"The error of all {self.group.count:,}"
        return f"The error of {self.group.count:,}"


def failure_card(
    summary: SweepSummary,
    query: Mapping[str, str] | None = None,
    *,
    always: bool = False,
) -> FailureCard | None:
    """The card where it is needed, or ``always`` where there is a failure.

    ``query`` may pick a group by its ``signature`` and a ``failed`` trial by its
    number; else the most frequent group and its newest trial are shown.
    """
    sweep, query = summary.sweep, query or {}
    any_failed = always and summary.counts[TrialState.FAILED]
    if not any_failed and not needs_failure_card(summary):
        return None
    groups = failure_groups(sweep)
    group = picked_group(groups, query.get("signature", ""))
    failure = _failure(sweep, group, query.get("failed", ""))
    error = failure.error or failure.trial.message
    known = known_error(error) or known_error(failure.trial.message)
    comparison = failure_comparison(sweep, group) if group else None
    constraint = comparison.constraint if comparison else ""
    situation = Situation(sweep, group, known, constraint, summary.not_started)
    return FailureCard(
        headline=headline(summary, same=len(groups) == 1 and _is_shared(group)),
        cause=_cause(
            situation, failure, groups, comparison.words if comparison else ""
        ),
        facts=_facts(summary),
        trial=failure.trial,
        ended_with=cause(failure),
        error=BLANK.split(group.error if group and group.error else error),
        lines=failure.log,
        advice=advice(failure),
        groups=groups[:MAX_GROUPS],
        group=group,
        others=_numbers(sweep, group, failure.trial.number),
        comparison=comparison,
        remedies=remedies(situation),
    )


def failure_line(summary: SweepSummary) -> str:
    """One line about failures where there are many and there is no card, else ""."""
    failed = summary.counts[TrialState.FAILED]
    few = failed < max(MIN_MENTIONED, MIN_SHARE_MENTIONED * summary.ended)
    if few or needs_failure_card(summary):
        return ""
    group = failure_groups(summary.sweep)[0]
    found = failure_comparison(summary.sweep, group)
    same = f", {group.count:,} with the same error" if group.count > 1 else ""
    values = f" These have {found.words}." if found and found.words else ""
    text = f"{failed:,} of {summary.ended:,} trials failed{same}: {group.words}."
    return f"{text[:300]}{values}"


def needs_failure_card(summary: SweepSummary) -> bool:
    """Whether failures are what the page is about."""
    sweep = summary.sweep
    if not summary.counts[TrialState.FAILED]:
        return _all_timed_out(summary)
    stopped = sweep.state == SweepState.FAILED
    paused = sweep.state == SweepState.PAUSED and sweep.reason in FAILURES
    return stopped or paused or summary.best is None


def _all_timed_out(summary: SweepSummary) -> bool:
    """Whether its limit ended each trial of an ended sweep before it had a value."""
    over = summary.sweep.has_ended and summary.best is None
    if not over or not summary.tried:
        return False
    cut = summary.sweep.trials.filter(reason=TIMEOUT, value__isnull=True)
    return summary.counts[TrialState.CANCELLED] == summary.tried == cut.count()


def _numbers(sweep: Sweep, group: FailureGroup | None, picked: int) -> list[int]:
    """The newest failed trials of the group and the picked one, in their order."""
    if group is None or group.count == 1:
        return []
    newest = group.trials_of(sweep).order_by("-number")
    return sorted({picked, *newest.values_list("number", flat=True)[:MAX_NUMBERS]})


def _failure(sweep: Sweep, group: FailureGroup | None, number: str) -> Failure:
    """The picked trial, else the newest one, with the end of its log."""
    trials = group.trials_of(sweep) if group else sweep.trials.filter(reason=TIMEOUT)
    trials = trials.select_related("current_attempt", "sweep")
    is_number = whole_number(number) is not None
    trial = trials.filter(number=number).first() if is_number else None
    trial = trial or trials.latest("ended_at", "number")
    log = storage.visible_log(trial.current_attempt, last=LOG_BYTES)
    return Failure(trial, last_lines(parse_log(log), MAX_LINES))


# --- sentences ----------------------------------------------------------------------


def headline(summary: SweepSummary, *, same: bool = False) -> str:
    """What happened to the sweep; ``same``: all its failures have one signature."""
    alike = " with the same error" if same else ""
    sweep, failed = summary.sweep, summary.counts[TrialState.FAILED]
    if not failed:
        return _timed_out(summary)
    of = f"{failed} of {counted(summary.planned, 'trial')}"
    if sweep.reason == lifecycle.PREFLIGHT_FAILED:
        return "The configuration that was tested first failed."
    if sweep.state == SweepState.PAUSED:
        trials = counted(failed, "failed trial")
        return f"The sweep was paused after {trials}{alike}."
    if sweep.reason == "first_trials_failed":
        return f"The first {of} failed{alike}, so the sweep was stopped."
    if sweep.has_ended and failed == summary.tried:
        return f"All {failed:,} trials failed." if failed > 1 else "Its trial failed."
    if sweep.has_ended and summary.best is None:
        return f"{of} failed, and there is no best trial."
    if sweep.has_ended:
        return f"{of} failed{alike}."
    if failed < summary.ended:
        return f"{failed} of the {summary.ended:,} trials that ended have failed."
    few = {1: "The one trial that has ended failed.", 2: "Both trials so far failed."}
    return few.get(failed, f"All {failed:,} trials so far failed.")


def _timed_out(summary: SweepSummary) -> str:
    limit, metric = out_of_time(summary.sweep), summary.sweep.primary_metric
    if summary.tried == 1:
        return f"Its trial ran out of its {limit} before it reported {metric}."
    return (
        f"All {summary.tried:,} trials ran out of their {limit} before they reported"
        f" {metric}."
    )


def _cause(
    now: Situation, failure: Failure, groups: Sequence[FailureGroup], values: str
) -> Sentence:
    """The likely cause; ``values`` are those that its trials share, in words."""
    group, known = now.group, now.cause
    if group is None:
        return "limits.trial_timeout cancels a trial that takes longer."
    if group.signature and known is not None:
        which = f"all {group.count:,}" if group.count > 1 else "it"
        if len(groups) > 1:
            which = f"{group.count:,} of the {sum(g.count for g in groups):,}"
        where = f", with {values}" if values else ""
        return f"The likely cause of {which}: {known.cause}{where}."
    if values:
        return f"{group.count:,} failed in the same way, with {values}."
    if len(groups) == 1 and group.count > 1 and _are_one(now.sweep, group):
        return format_html(
            "All {} ended the same way: {}.", group.count, cause(failure)
        )
    number = failure.trial.number
    return format_html("Trial {} was the last: {}.", number, cause(failure))


def _is_shared(group: FailureGroup | None) -> bool:
    """Whether several trials failed with one signature."""
    return group is not None and bool(group.signature) and group.count > 1


def _are_one(sweep: Sweep, group: FailureGroup) -> bool:
    """Whether failures without a signature have the same message."""
    if group.signature:
        return True
    newest = group.trials_of(sweep).order_by("-number")
    return len(set(newest.values_list("message", flat=True)[:MAX_COMPARED])) == 1


def _facts(summary: SweepSummary) -> str:
    sweep, left = summary.sweep, summary.not_started
    facts = []
    if left and sweep.has_ended:
        facts.append(f"{counted(left, 'trial was', 'trials were')} not started.")
    if summary.best is None:
        facts.append(_why_no_best(sweep))
    if sweep.state == SweepState.PAUSED and sweep.max_failed_trials:
        facts.append(
            f"It pauses after {counted(sweep.max_failed_trials, 'failure')}; after you"
            " resume it, the count starts at 0."
        )
    return " ".join(facts)


def _why_no_best(sweep: Sweep) -> str:
    metric = sweep.primary_metric
    reported = sweep.trials.filter(value__isnull=False)
    count = reported.count()
    if not count:
        return f"None reported {metric}, so there is no best trial."
    failed = reported.filter(state=TrialState.FAILED).count()
    if failed:
        return (
            f"{failed:,} reported {metric} before failing; a failed trial is never the"
            " best."
        )
    if sweep.has_ended:
        cut = counted(count, "trial")
        return (
            f"{cut} had reported {metric} when the sweep was stopped; none counts as"
            " the best."
        )
    return f"{counted(count, 'running trial')} reported {metric} so far."
