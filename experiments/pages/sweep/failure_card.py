"""The card that says why trials fail, where there is no answer to show instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments import storage
from experiments.causes import likely_cause
from experiments.failures import FailureGroup, failure_groups
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.failures import Failure, Sentence, advice, cause
from experiments.pages.log_text import Line, last_lines, parse_log
from experiments.pages.sweep.failure_sentences import (
    FAILURES,
    cause_sentence,
    facts_sentence,
    headline,
    is_signed,
)
from experiments.pages.sweep.failure_shares import Shares, shares_of
from experiments.pages.sweep.remedies import Remedy, Situation, remedies
from experiments.pages.sweep.standing import SweepStanding

MOST_LINES = 12
LOG_BYTES = 16 << 10
TIMEOUT = "trial_timeout"
BLANK = re.compile("(‹[^›]*›)")
MOST_GROUPS, MOST_NUMBERS = 6, 4
# So many failures, and such a share of what ended, are told of where the sweep goes on.
LEAST_TOLD, SHARE_TOLD = 3, 0.1


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
    lines: Sequence[Line]
    advice: Sequence[Sentence]
    groups: Sequence[FailureGroup]
    group: FailureGroup | None
    others: Sequence[int]
    shares: Shares | None
    remedies: Sequence[Remedy]

    @property
    def title(self) -> str:
        if self.group is None or self.group.count == 1:
            return "The error"
        if len(self.groups) == 1:
            return f"The error, in all {self.group.count:,}"
        return f"The error of {self.group.count:,}"


def needs_failure_card(standing: SweepStanding) -> bool:
    """Whether failures are what the page is about."""
    sweep, failed = standing.sweep, standing.counts[TrialState.FAILED]
    if not failed:
        return all_timed_out(standing)
    stopped = sweep.state == SweepState.FAILED
    paused = sweep.state == SweepState.PAUSED and sweep.reason in FAILURES
    return stopped or paused or standing.best is None


def all_timed_out(standing: SweepStanding) -> bool:
    """Whether each trial of an ended sweep was cut off by its limit without a value."""
    over = standing.sweep.has_ended and standing.best is None
    if not over or not standing.tried:
        return False
    cut = standing.sweep.trials.filter(reason=TIMEOUT, value__isnull=True)
    return standing.counts[TrialState.CANCELLED] == standing.tried == cut.count()


def failure_card(
    standing: SweepStanding,
    query: Mapping[str, str] | None = None,
    *,
    always: bool = False,
) -> FailureCard | None:
    """The card where it is needed, or always where there is a failure.

    ``query`` may pick a group by its ``signature`` and a ``failed`` trial by its
    number; else it is the most frequent one and its newest trial.
    """
    sweep, query = standing.sweep, query or {}
    any_failed = always and standing.counts[TrialState.FAILED]
    if not any_failed and not needs_failure_card(standing):
        return None
    groups = failure_groups(sweep)
    group = picked_group(groups, query.get("signature", ""))
    failure = _failure(sweep, group, query.get("failed", ""))
    error = failure.error or failure.trial.message
    known = likely_cause(error) or likely_cause(failure.trial.message)
    shares = shares_of(sweep, group) if group else None
    constraint = shares.constraint if shares else ""
    left = max(0, standing.to_come - standing.live)
    return FailureCard(
        headline=headline(standing, same=len(groups) == 1 and is_signed(group)),
        cause=cause_sentence(
            standing, failure, groups, group=group, known=known, shares=shares
        ),
        facts=facts_sentence(standing),
        trial=failure.trial,
        ended_with=cause(failure),
        error=BLANK.split(group.error if group and group.error else error),
        lines=failure.log,
        advice=advice(failure),
        groups=groups[:MOST_GROUPS],
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
    return sorted({picked, *newest.values_list("number", flat=True)[:MOST_NUMBERS]})


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
    return Failure(trial, last_lines(parse_log(log), MOST_LINES))


def failure_line(standing: SweepStanding) -> str:
    """One line where failures are worth a look and the card is not there, else ""."""
    failed = standing.counts[TrialState.FAILED]
    few = failed < max(LEAST_TOLD, SHARE_TOLD * standing.ended)
    if few or needs_failure_card(standing):
        return ""
    group = failure_groups(standing.sweep)[0]
    shares = shares_of(standing.sweep, group)
    alike = f", {group.count:,} with the same error" if group.count > 1 else ""
    values = f" These have {shares.words}." if shares and shares.words else ""
    text = f"{failed:,} of {standing.ended:,} trials failed{alike}: {group.words}."
    return f"{text[:300]}{values}"
