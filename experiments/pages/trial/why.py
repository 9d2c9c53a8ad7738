"""Why a trial has its state: one sentence, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html

from experiments.formatting import metric_text, named_metric_text, number_text
from experiments.lifecycle import is_incomplete
from experiments.models import Trial
from experiments.models.trials import AttemptState, Origin, TrialState
from experiments.pages import failures
from experiments.pages.trial.detail import TrialDetail
from experiments.pages.trial.verdict_words import (
    Sentence,
    against_words,
    checks_sentence,
    lower_first,
    policy_sentence,
    setters_sentence,
    standstill_sentence,
)


@dataclass(frozen=True)
class Why:
    """``lead`` is the sentence, ``notes`` follow it; ``advice`` is what to try next and
    ``command`` one that helps."""

    lead: Sentence
    notes: Sequence[Sentence] = ()
    advice: Sequence[Sentence] = ()
    command: str = ""


def why_of(detail: TrialDetail) -> Why:
    return SENTENCES[TrialState(detail.trial.state)](detail)


def trial_name(trial: Trial) -> str:
    return f"{'Trial' if trial.sweep_id else 'Run'} {trial.number}"


# --- ended early ------------------------------------------------------------------


def _terminated(detail: TrialDetail) -> Why:
    trial, decision = detail.trial, detail.checks.ended
    if decision is None:
        return Why(f"{trial_name(trial)} ended early. {trial.message}")
    notes = [
        policy_sentence(detail),
        checks_sentence(detail),
        standstill_sentence(detail),
        setters_sentence(detail, decision),
        _rerun_note(detail),
    ]
    lead = format_html(
        "{} ended after report {}: {}.",
        trial_name(trial),
        decision.n,
        against_words(detail, decision),
    )
    return Why(lead, [note for note in notes if note])


def _rerun_note(detail: TrialDetail) -> Sentence:
    again = detail.whole_rerun
    if again is None:
        return ""
    link = format_html(
        '<a href="{}">trial {}</a>', again.get_absolute_url(), again.number
    )
    if again.value is None or not again.has_ended:
        return format_html("It runs again without early termination, as {}.", link)
    words = "Run again without early termination, as {}, it reached {}."
    return format_html(words, link, metric_text(again.value))


# --- the other states ---------------------------------------------------------------


def _completed(detail: TrialDetail) -> Why:
    trial = detail.trial
    if trial.origin == Origin.IMPORTED:
        words = "{} was imported{}."
        return Why(format_html(words, trial_name(trial), _place(detail)))
    ended = "ended, with results missing" if is_incomplete(trial) else "ran to the end"
    lead = format_html("{} {}{}.", trial_name(trial), ended, _place(detail))
    return Why(lead, _judged_notes(detail))


def _place(detail: TrialDetail) -> Sentence:
    """``: rank 5 of 30, 0.0067 behind trial 23``, or the lead of the best."""
    trial, ranking = detail.trial, detail.ranking
    if ranking.rank is None or trial.value is None:
        return ""
    value = named_metric_text(trial.value, detail.objective.primary_metric)
    other = ranking.rival_of(trial)
    if other is None or other.value is None:
        return format_html(" with <strong>{}</strong>", value)
    gap = number_text(abs(trial.value - other.value), 3)
    link = format_html(
        '<a href="{}">trial {}</a>', other.get_absolute_url(), other.number
    )
    if trial.value == other.value:
        words = ": rank {} of {} with <strong>{}</strong>, the same as {}"
        return format_html(words, ranking.rank, ranking.ranked, value, link)
    if ranking.is_best(trial):
        words = "and is the best of {} with <strong>{}</strong>, {} ahead of {}"
        return format_html(f" {words}", ranking.ranked, value, gap, link)
    return format_html(
        ": rank {} of {} with <strong>{}</strong>, {} behind {}",
        ranking.rank,
        ranking.ranked,
        value,
        gap,
        link,
    )


def _judged_notes(detail: TrialDetail) -> list[Sentence]:
    if detail.policy is None and not detail.decisions:
        return _unjudged_notes(detail)
    policy = policy_sentence(detail)
    if not detail.decisions:
        return [policy, "It was never checked."]
    return [policy, checks_sentence(detail) or "No check came close to ending it."]


def _unjudged_notes(detail: TrialDetail) -> list[Sentence]:
    if detail.trial.sweep is None:
        return []
    if detail.trial.runs_to_end:
        again = detail.trial.repeats
        which = "" if again is None else f": it repeats trial {again}"
        return [f"No policy ends it early{which}."]
    return ["No policy ends trials of this sweep early."]


def _running(detail: TrialDetail) -> Why:
    trial = detail.trial
    name = trial_name(trial)
    if trial.is_stopping:
        return Why(_stopping_lead(detail), ["It can save its work; then it ends."])
    if not trial.reports:
        return Why(
            f"{name} has started and has not reported yet.", _coming_notes(detail), ()
        )
    last = detail.checks.last
    if last is None:
        lead = format_html(
            "{} is running: best {} <strong>{}</strong> after {} reports.",
            name,
            detail.objective.primary_metric,
            named_metric_text(trial.value, detail.objective.primary_metric),
            trial.reports,
        )
        return Why(lead, _coming_notes(detail))
    lead = format_html(
        "{} continues: at report {} {}.", name, last.n, against_words(detail, last)
    )
    return Why(lead, [*_coming_notes(detail), checks_sentence(detail)])


def _stopping_lead(detail: TrialDetail) -> Sentence:
    name, decision = trial_name(detail.trial), detail.checks.ended
    if decision is None:
        return f"{name} was asked to stop: {lower_first(detail.trial.stop_message)}"
    return format_html(
        "{} was asked to stop after report {}: {}.",
        name,
        decision.n,
        against_words(detail, decision),
    )


def _coming_notes(detail: TrialDetail) -> list[Sentence]:
    if detail.policy is None:
        return _unjudged_notes(detail)
    if detail.resumed_attempt is not None:
        return [policy_sentence(detail), resumed_words(detail)]
    coming = detail.next_check
    which = "next" if detail.decisions else "first"
    when = f"The {which} check comes at report {coming}."
    return [policy_sentence(detail), when if coming else "No further check comes."]


def resumed_words(detail: TrialDetail) -> str:
    """For an attempt that resumed another one and has not reported yet."""
    before = detail.resumed_attempt
    if before is None:
        return ""
    return (
        f"It resumed from attempt {before.n}: reports and checks before the step at"
        " which it resumes still count."
    )


def _failed(detail: TrialDetail) -> Why:
    failure = failures.Failure(detail.trial, detail.failure_log)
    return Why(
        failures.lead(failure, trial_name(detail.trial)),
        failures.notes(failure, alike=detail.ranking.alike),
        failures.advice(failure),
    )


def _cancelled(detail: TrialDetail) -> Why:
    trial, event = detail.trial, detail.cancel_event
    name = trial_name(trial)
    when = f" after report {trial.reports}" if trial.reports else ""
    who = event.actor.display_name if event and event.actor else ""
    if trial.reason == "user" and who:
        thing = "with its sweep " if event and event.verb == "sweep cancelled" else ""
        lead = f"{name} was cancelled {thing}by {who}{when}."
        return Why(lead, _kept_notes(detail))
    lead = f"{name} was cancelled{when}: {lower_first(trial.message)}"
    return Why(lead, _kept_notes(detail), failures.advice(failures.Failure(trial)))


def _kept_notes(detail: TrialDetail) -> list[Sentence]:
    if detail.trial.value is None:
        return []
    if detail.ranking.is_best(detail.trial):
        return [f"Its reports are kept, and it is the best of {detail.ranking.ranked}."]
    return ["Its reports are kept, and it is part of the ranking."]


def _queued(detail: TrialDetail) -> Why:
    trial, sweep = detail.trial, detail.trial.sweep
    name = trial_name(trial)
    if sweep is None:
        return Why(f"{name} has not started.")
    if sweep.state == "paused":
        lead = f"{name} waits: its sweep is paused. Resume the sweep to run it."
        return Why(lead, _lost_notes(detail))
    if not sweep.launches:
        lead = f"{name} waits until one of your processes asks for a trial of {sweep}."
        return Why(lead, _lost_notes(detail))
    wait = detail.wait
    if wait is None:
        lead = f"{name} waits for a free slot of pool {sweep.pool.name}."
        return Why(lead, _lost_notes(detail))
    lead = format_html("{} waits: <strong>{}</strong>", name, lower_first(wait.cause))
    help_text = wait.help_text
    if wait.command:
        help_text = (
            "This command starts one with two slots, on any host that reaches the site:"
        )
    notes = [wait.detail, *_lost_notes(detail), help_text]
    return Why(lead, [note for note in notes if note], command=wait.command)


def _lost_notes(detail: TrialDetail) -> list[Sentence]:
    if len(detail.attempts) < 2:
        return []
    before, last = detail.attempts[-2:]
    if before.state == AttemptState.FINISHED:
        how = "failed"
    elif before.reason == "paused":
        how = "was stopped by a pause"
    else:
        how = "was lost"
    return [f"Attempt {last.n}: the previous one {how}.", *_told_notes(detail)]


def _told_notes(detail: TrialDetail) -> list[Sentence]:
    """What the last attempt that ran has left; the page shows it."""
    shown = detail.shown_attempt
    if shown is None or shown.claimed_at is None:
        return []
    left = f"The log and the files below are from attempt {shown.n}."
    primary = detail.objective.primary_metric
    metric = next((m for m in detail.metrics if m.name == primary and m.count), None)
    if metric is None:
        return [left]
    times = "once" if metric.count == 1 else f"{metric.count} times"
    last = metric_text(metric.last_value)
    return [f"Attempt {shown.n} had reported {primary} {times}, last {last}.", left]


SENTENCES: Mapping[TrialState, Callable[[TrialDetail], Why]] = {
    TrialState.TERMINATED: _terminated,
    TrialState.COMPLETED: _completed,
    TrialState.RUNNING: _running,
    TrialState.FAILED: _failed,
    TrialState.CANCELLED: _cancelled,
    TrialState.QUEUED: _queued,
}
