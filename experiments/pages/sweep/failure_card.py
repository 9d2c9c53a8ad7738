"""The card that says why trials fail, where there is no answer to show instead.

The sentences of a failure card: what happened, what is behind it, what is left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html

from experiments import lifecycle, storage
from experiments.failures import circuit_breaker
from experiments.failures.groups import FailureGroup, failure_groups
from experiments.failures.known_errors import Cause, likely_cause
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.failures import Failure, Sentence, advice, cause, out_of_time
from experiments.pages.log_text import LogLine, last_lines, parse_log
from experiments.pages.sweep.failure_shares import FailureComparison, shares_of
from experiments.pages.sweep.remedies import Remedy, Situation, remedies
from experiments.pages.sweep.summary import SweepSummary
from experiments.search.wording import counted

# A sweep that paused itself for one of these is about its failures, and for one of the
# others it waits for somebody's choice.
FAILURES = frozenset(
    {"max_failed_trials", circuit_breaker.BAD_TURN, lifecycle.PREFLIGHT_FAILED}
)
PAUSES = FAILURES | {lifecycle.PREFLIGHT_HELD}
# Failures are looked through for their cause, the newest first.
MAX_COMPARED = 200


def headline(summary: SweepSummary, *, same: bool = False) -> str:
    """What happened to the sweep, in one sentence; ``same``: all of one signature."""
    alike = " with the same error" if same else ""
    sweep, failed = summary.sweep, summary.counts[TrialState.FAILED]
    if not failed:
        return _timed_out(summary)
    of = f"{failed} of {counted(summary.planned, 'trial')}"
    if sweep.reason == lifecycle.PREFLIGHT_FAILED:
        return "The one configuration that was tried first failed."
    if sweep.state == SweepState.PAUSED:
        trials = counted(failed, "failed trial")
        return f"The sweep was paused after {trials}{alike}."
    if sweep.reason == "first_trials_failed":
        return f"The first {of} failed{alike}, so the sweep was stopped."
    if sweep.has_ended and failed == summary.tried:
        return f"All {failed:,} trials failed." if failed > 1 else "Its trial failed."
    if sweep.has_ended and summary.best is None:
        return f"{of} failed, and none left a best value."
    if sweep.has_ended:
        return f"{of} failed{alike}."
    if failed < summary.ended:
        return f"{failed} of the {summary.ended:,} trials that ended have failed."
    few = {1: "The one trial that has ended failed.", 2: "Both trials so far failed."}
    return few.get(failed, f"All {failed:,} trials so far failed.")


def _timed_out(summary: SweepSummary) -> str:
    words, metric = out_of_time(summary.sweep), summary.sweep.primary_metric
    if summary.tried == 1:
        return f"Its trial ran out of its {words} before reporting {metric}."
    return (
        f"All {summary.tried:,} trials ran out of their {words} before reporting"
        f" {metric}."
    )


def cause_sentence(
    summary: SweepSummary,
    failure: Failure,
    groups: Sequence[FailureGroup],
    *,
    group: FailureGroup | None,
    known: Cause | None,
    shares: FailureComparison | None,
) -> Sentence:
    """What is behind it, in one sentence."""
    if group is None:
        return "limits.trial_timeout cancels a trial that takes longer."
    values = shares.words if shares else ""
    if group.signature and known is not None:
        which = f"all {group.count:,}" if group.count > 1 else "it"
        if len(groups) > 1:
            which = f"{group.count:,} of the {sum(g.count for g in groups):,}"
        where = f", with {values}" if values else ""
        return f"The likely cause of {which}: {known.likely}{where}."
    if values:
        return f"{group.count:,} failed alike, with {values}."
    if len(groups) == 1 and group.count > 1 and _are_one(summary.sweep, group):
        return format_html("All {} ended alike: {}.", group.count, cause(failure))
    number = failure.trial.number
    return format_html("Trial {} was the last: {}.", number, cause(failure))


def is_signed(group: FailureGroup | None) -> bool:
    """Whether several failed with one signature."""
    return group is not None and bool(group.signature) and group.count > 1


def _are_one(sweep: Sweep, group: FailureGroup) -> bool:
    """Whether failures without a signature say the same."""
    if group.signature:
        return True
    newest = group.trials_of(sweep).order_by("-number")
    return len(set(newest.values_list("message", flat=True)[:MAX_COMPARED])) == 1


def facts_sentence(summary: SweepSummary) -> str:
    sweep = summary.sweep
    facts = []
    left = summary.to_come - summary.live
    if left and sweep.has_ended:
        verb = "was" if left == 1 else "were"
        facts.append(f"{counted(left, 'trial')} {verb} not started.")
    if summary.best is None:
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


MAX_LINES = 12
LOG_BYTES = 16 << 10
TIMEOUT = "trial_timeout"
BLANK = re.compile("(‹[^›]*›)")
MAX_GROUPS, MAX_NUMBERS = 6, 4
# So many failures, and such a share of what ended, are told of where the sweep goes on.
MIN_TOLD, SHARE_TOLD = 3, 0.1


@dataclass(frozen=True)
class FailureCard:
    """Two sentences, the error with the end of a log, what the failed share, and what
    may be done. ``error``: pieces, every other one a blank; ``others``: numbers of
    failed trials whose logs may be looked at."""

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
    shares: FailureComparison | None
    remedies: Sequence[Remedy]

    @property
    def title(self) -> str:
        if self.group is None or self.group.count == 1:
            return "The error"
        if len(self.groups) == 1:
            return f"The error, in all {self.group.count:,}"
        return f"The error of {self.group.count:,}"


def needs_failure_card(summary: SweepSummary) -> bool:
    """Whether failures are what the page is about."""
    sweep, failed = summary.sweep, summary.counts[TrialState.FAILED]
    if not failed:
        return all_timed_out(summary)
    stopped = sweep.state == SweepState.FAILED
    paused = sweep.state == SweepState.PAUSED and sweep.reason in FAILURES
    return stopped or paused or summary.best is None


def all_timed_out(summary: SweepSummary) -> bool:
    """Whether each trial of an ended sweep was cut off by its limit without a value."""
    over = summary.sweep.has_ended and summary.best is None
    if not over or not summary.tried:
        return False
    cut = summary.sweep.trials.filter(reason=TIMEOUT, value__isnull=True)
    return summary.counts[TrialState.CANCELLED] == summary.tried == cut.count()


def failure_card(
    summary: SweepSummary,
    query: Mapping[str, str] | None = None,
    *,
    always: bool = False,
) -> FailureCard | None:
    """The card where it is needed, or always where there is a failure.

    ``query`` may pick a group by its ``signature`` and a ``failed`` trial by its
    number; else it is the most frequent one and its newest trial.
    """
    sweep, query = summary.sweep, query or {}
    any_failed = always and summary.counts[TrialState.FAILED]
    if not any_failed and not needs_failure_card(summary):
        return None
    groups = failure_groups(sweep)
    group = picked_group(groups, query.get("signature", ""))
    failure = _failure(sweep, group, query.get("failed", ""))
    error = failure.error or failure.trial.message
    known = likely_cause(error) or likely_cause(failure.trial.message)
    shares = shares_of(sweep, group) if group else None
    constraint = shares.constraint if shares else ""
    left = max(0, summary.to_come - summary.live)
    return FailureCard(
        headline=headline(summary, same=len(groups) == 1 and is_signed(group)),
        cause=cause_sentence(
            summary, failure, groups, group=group, known=known, shares=shares
        ),
        facts=facts_sentence(summary),
        trial=failure.trial,
        ended_with=cause(failure),
        error=BLANK.split(group.error if group and group.error else error),
        lines=failure.log,
        advice=advice(failure),
        groups=groups[:MAX_GROUPS],
        group=group,
        others=_numbers(sweep, group, failure.trial.number),
        shares=shares,
        remedies=remedies(Situation(sweep, group, known, constraint, left)),
    )


def picked_group(groups: Sequence[FailureGroup], signature: str) -> FailureGroup | None:
    """The group of that signature, else the most frequent one."""
    picked = [group for group in groups if signature and group.signature == signature]
    return next(iter([*picked, *groups]), None)


def _numbers(sweep: Sweep, group: FailureGroup | None, picked: int) -> list[int]:
    """The newest failed trials of the group and the picked one, in their order."""
    if group is None or group.count == 1:
        return []
    newest = group.trials_of(sweep).order_by("-number")
    return sorted({picked, *newest.values_list("number", flat=True)[:MAX_NUMBERS]})


def _failure(sweep: Sweep, group: FailureGroup | None, number: str) -> Failure:
    if group is None:
        trials = sweep.trials.filter(reason=TIMEOUT)
    else:
        trials = group.trials_of(sweep)
    related = trials.select_related("current_attempt", "sweep")
    asked = number.isascii() and number.isdigit() and len(number) < 9
    trial = related.filter(number=int(number)).first() if asked else None
    trial = trial or related.latest("ended_at", "number")
    log = storage.read_log(trial.current_attempt_id or 0, last=LOG_BYTES)
    return Failure(trial, last_lines(parse_log(log), MAX_LINES))


def failure_line(summary: SweepSummary) -> str:
    """One line where failures are worth a look and the card is not there, else ""."""
    failed = summary.counts[TrialState.FAILED]
    few = failed < max(MIN_TOLD, SHARE_TOLD * summary.ended)
    if few or needs_failure_card(summary):
        return ""
    group = failure_groups(summary.sweep)[0]
    shares = shares_of(summary.sweep, group)
    alike = f", {group.count:,} with the same error" if group.count > 1 else ""
    values = f" These have {shares.words}." if shares and shares.words else ""
    text = f"{failed:,} of {summary.ended:,} trials failed{alike}: {group.words}."
    return f"{text[:300]}{values}"
