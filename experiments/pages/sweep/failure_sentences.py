"""The sentences of a failure card: what happened, what is behind it, what is left."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html

from experiments import breakers, lifecycle
from experiments.causes import Cause
from experiments.failures import FailureGroup
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.failures import Failure, Sentence, cause, out_of_time
from experiments.pages.sweep.failure_shares import Shares
from experiments.pages.sweep.standing import SweepStanding
from experiments.search.figures import counted

# A sweep that paused itself for one of these is about its failures, and for one of the
# others it waits for somebody's choice.
FAILURES = frozenset(
    {"max_failed_trials", breakers.BAD_TURN, lifecycle.PREFLIGHT_FAILED}
)
PAUSES = FAILURES | {lifecycle.PREFLIGHT_HELD}
# Failures are looked through for their cause, the newest first.
MOST_COMPARED = 200


def headline(standing: SweepStanding, *, same: bool = False) -> str:
    """What happened to the sweep, in one sentence; ``same``: all of one signature."""
    alike = " with the same error" if same else ""
    sweep, failed = standing.sweep, standing.counts[TrialState.FAILED]
    if not failed:
        return _timed_out(standing)
    of = f"{failed} of {counted(standing.planned, 'trial')}"
    if sweep.reason == lifecycle.PREFLIGHT_FAILED:
        return "The one configuration that was tried first failed."
    if sweep.state == SweepState.PAUSED:
        trials = counted(failed, "failed trial")
        return f"The sweep was paused after {trials}{alike}."
    if sweep.reason == "first_trials_failed":
        return f"The first {of} failed{alike}, so the sweep was stopped."
    if sweep.has_ended and failed == standing.tried:
        return f"All {failed:,} trials failed." if failed > 1 else "Its trial failed."
    if sweep.has_ended and standing.best is None:
        return f"{of} failed, and none left a best value."
    if sweep.has_ended:
        return f"{of} failed{alike}."
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


def cause_sentence(
    standing: SweepStanding,
    failure: Failure,
    groups: Sequence[FailureGroup],
    *,
    group: FailureGroup | None,
    known: Cause | None,
    shares: Shares | None,
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
    if len(groups) == 1 and group.count > 1 and _are_one(standing.sweep, group):
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
    return len(set(newest.values_list("message", flat=True)[:MOST_COMPARED])) == 1


def facts_sentence(standing: SweepStanding) -> str:
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
