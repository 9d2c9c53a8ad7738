"""Why a trial is where it is: one sentence in plain words, and what it rests on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from experiments.models import Decision, Trial
from experiments.models.trials import TrialState
from experiments.pages import failures
from experiments.pages.trial_rows import TrialRows
from experiments.search.figures import ordinal
from experiments.search.termination import Policy
from experiments.words import metric_text, number_text

# The end of a policy's own sentence: what the threshold is.
THRESHOLD_WORDS = re.compile(r"(?:was (?:below|above)|against) \S+, (.+)\.$", re.DOTALL)
TRIAL_NAME = re.compile(r"\btrial (\d+)\b")

Sentence = str | SafeString


@dataclass(frozen=True)
class Why:
    """``lead`` is the one sentence, ``notes`` what stands below it, ``advice`` what to
    try next, ``command`` one that would help."""

    lead: Sentence
    notes: Sequence[Sentence] = ()
    advice: Sequence[Sentence] = ()
    command: str = ""


def why_of(rows: TrialRows) -> Why:
    return SENTENCES[TrialState(rows.trial.state)](rows)


def trial_name(trial: Trial) -> str:
    return f"{'Trial' if trial.sweep_id else 'Run'} {trial.number}"


def joined(sentences: Sequence[Sentence]) -> SafeString:
    return format_html_join(" ", "{}", ((sentence,) for sentence in sentences))


# --- ended early ------------------------------------------------------------------


def _terminated(rows: TrialRows) -> Why:
    trial, decision = rows.trial, rows.checks.ended
    if decision is None:
        return Why(f"{trial_name(trial)} ended early. {trial.message}")
    notes = [
        _policy_sentence(rows),
        _checks_sentence(rows),
        _standstill(rows),
        _setters_sentence(rows, decision),
    ]
    lead = format_html(
        "{} ended after report {}: {}.",
        trial_name(trial),
        decision.n,
        _against(rows, decision),
    )
    return Why(lead, [note for note in notes if note])


def _against(rows: TrialRows, decision: Decision) -> Sentence:
    """``its best accuracy 0.8111 was below 0.8157, the median of …``"""
    words = _threshold_words(rows, decision)
    if decision.threshold is None or not words:
        return _lower(decision.reason.removesuffix("."))
    metric = rows.objective.primary_metric
    own, limit = told_apart(decision.value, decision.threshold)
    if decision.value is None:
        return format_html(
            "no finite {} against <strong>{}</strong>, {}", metric, limit, words
        )
    return format_html(
        "its best {} <strong>{}</strong> {} <strong>{}</strong>, {}",
        metric,
        own,
        _side(rows, decision),
        limit,
        words,
    )


def _side(rows: TrialRows, decision: Decision) -> str:
    worse = "below" if rows.objective.maximizes else "above"
    better = "above" if rows.objective.maximizes else "below"
    if decision.value == decision.threshold:
        return "was equal to"
    return f"was {worse if decision.stop else better}"


def _threshold_words(rows: TrialRows, decision: Decision) -> Sentence:
    """What the threshold is, in the policy's own words, its trials linked."""
    match = THRESHOLD_WORDS.search(decision.reason)
    if match is None:
        return ""
    words = match[1].replace("'", "\u2019")
    if decision.policy == "median_stopping":
        reports = "report" if decision.n == 1 else f"{decision.n} reports"
        words += f" over the same {reports}"
    return linked_trials(words, rows.setter_urls)


def linked_trials(text: str, urls: Mapping[int, str]) -> SafeString:
    """The text, escaped, with every ``trial 12`` that has a page linked to it."""
    pieces: list[Sentence] = []
    for index, piece in enumerate(TRIAL_NAME.split(text)):
        url = urls.get(int(piece)) if index % 2 else None
        if index % 2 == 0:
            pieces.append(piece)
        elif url is None:
            pieces.append(f"trial {piece}")
        else:
            pieces.append(format_html('<a href="{}">trial {}</a>', url, piece))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def told_apart(one: float | None, other: float | None) -> tuple[str, str]:
    """Two numbers with 4 digits, or up to 6 where they would look alike."""
    texts = metric_text(one), metric_text(other)
    for digits in (5, 6):
        if texts[0] != texts[1] or one == other:
            break
        texts = metric_text(one, digits), metric_text(other, digits)
    return texts


def _policy_sentence(rows: TrialRows) -> str:
    if rows.policy is None:
        last = rows.checks.last
        return f"{last.policy_words}." if last else ""
    name = rows.policy.name_in_words()
    return f"{name[:1].upper()}{name[1:]}, {_schedule(rows.policy)}."


def _schedule(policy: Policy) -> str:
    every = policy.evaluation_interval
    first = policy.next_check(0)
    words = "every report" if every == 1 else f"every {ordinal(every)} report"
    return f"checked at {words}" + (f" from the {ordinal(first)}" if first > 1 else "")


def _checks_sentence(rows: TrialRows) -> str:
    checks = rows.checks
    if not checks.passed:
        return "It was the first check." if checks.ended else ""
    count = "One check" if checks.passed == 1 else f"{checks.passed} checks"
    if checks.closest is None or checks.spare is None:
        return f"{count} passed, without enough rivals for a comparison."
    spare = number_text(checks.spare, 2)
    if checks.passed == 1:
        return f"{count} passed, at report {checks.closest.n} with {spare} to spare."
    return (
        f"{count} passed; it was closest at report {checks.closest.n},"
        f" with {spare} to spare."
    )


def _standstill(rows: TrialRows) -> str:
    trial, metric = rows.trial, rows.objective.primary_metric
    if trial.value_report is None or trial.value_report >= trial.reports:
        return ""
    turn = "risen" if rows.objective.maximizes else "fallen"
    name = metric[:1].upper() + metric[1:]
    return f"{name} had not {turn} since report {trial.value_report}."


def _setters_sentence(rows: TrialRows, decision: Decision) -> Sentence:
    """Who set the threshold, unless the lead has said so."""
    numbers = [n for n in decision.setters if f"trial {n}" not in decision.reason]
    if not numbers:
        return ""
    names = " and ".join(f"trial {n}" for n in numbers[:2])
    return linked_trials(f"The threshold lay at {names}.", rows.setter_urls)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- the other states ---------------------------------------------------------------


def _completed(rows: TrialRows) -> Why:
    trial = rows.trial
    lead = format_html("{} ran to the end{}.", trial_name(trial), _place(rows))
    return Why(lead, _judged_notes(rows, "It was never close to an early end."))


def _place(rows: TrialRows) -> Sentence:
    """``: rank 5 of 30, 0.0067 behind trial 23`` or the lead of the best."""
    trial, field = rows.trial, rows.field
    if field.rank is None or trial.value is None:
        return ""
    value = metric_text(trial.value)
    other = field.rival_of(trial)
    if other is None or other.value is None:
        return format_html(" with <strong>{}</strong>", value)
    gap = number_text(abs(trial.value - other.value), 3)
    link = format_html(
        '<a href="{}">trial {}</a>', other.get_absolute_url(), other.number
    )
    if field.is_best(trial):
        words = "and is the best of {} with <strong>{}</strong>, {} ahead of {}"
        return format_html(f" {words}", field.ranked, value, gap, link)
    return format_html(
        ": rank {} of {} with <strong>{}</strong>, {} behind {}",
        field.rank,
        field.ranked,
        value,
        gap,
        link,
    )


def _judged_notes(rows: TrialRows, unthreatened: str) -> list[Sentence]:
    if rows.policy is None and not rows.decisions:
        return ["No policy ends trials of this sweep early."] * bool(rows.trial.sweep)
    policy = _policy_sentence(rows)
    if not rows.decisions:
        return [policy, "It was never checked."]
    return [policy, _checks_sentence(rows) or unthreatened]


def _running(rows: TrialRows) -> Why:
    trial = rows.trial
    name = trial_name(trial)
    if trial.is_stopping:
        return Why(_stopping_lead(rows), ["It may save its work, and is then ended."])
    if not trial.reports:
        return Why(f"{name} has started and not reported yet.", _coming_notes(rows), ())
    last = rows.checks.last
    if last is None:
        lead = format_html(
            "{} is running: best {} <strong>{}</strong> after {} reports.",
            name,
            rows.objective.primary_metric,
            metric_text(trial.value),
            trial.reports,
        )
        return Why(lead, _coming_notes(rows))
    lead = format_html(
        "{} goes on: at report {} {}.", name, last.n, _against(rows, last)
    )
    return Why(lead, [*_coming_notes(rows), _checks_sentence(rows)])


def _stopping_lead(rows: TrialRows) -> Sentence:
    name, decision = trial_name(rows.trial), rows.checks.ended
    if decision is None:
        return f"{name} was asked to stop: {_lower(rows.trial.stop_message)}"
    return format_html(
        "{} was asked to stop after report {}: {}.",
        name,
        decision.n,
        _against(rows, decision),
    )


def _coming_notes(rows: TrialRows) -> list[Sentence]:
    if rows.policy is None:
        sentence = "No policy ends trials of this sweep early."
        return [sentence] * bool(rows.trial.sweep)
    coming = rows.policy.next_check(rows.trial.reports)
    which = "next" if rows.decisions else "first"
    return [_policy_sentence(rows), f"The {which} check comes at report {coming}."]


def _failed(rows: TrialRows) -> Why:
    return Why(
        failures.lead(rows, trial_name(rows.trial)),
        failures.notes(rows),
        failures.advice(rows),
    )


def _cancelled(rows: TrialRows) -> Why:
    trial, event = rows.trial, rows.cancel_event
    name = trial_name(trial)
    when = f" after report {trial.reports}" if trial.reports else ""
    who = event.actor.display_name if event and event.actor else ""
    if trial.reason == "user" and who:
        thing = "with its sweep " if event and event.trial_id is None else ""
        lead = f"{name} was cancelled {thing}by {who}{when}."
        return Why(lead, _kept_notes(rows))
    lead = f"{name} was cancelled{when}: {_lower(trial.message)}"
    return Why(lead, _kept_notes(rows), failures.advice(rows))


def _kept_notes(rows: TrialRows) -> list[Sentence]:
    if rows.trial.value is None:
        return []
    if rows.field.is_best(rows.trial):
        return [f"Its reports are kept, and it is the best of {rows.field.ranked}."]
    return ["Its reports are kept, and it has its place in the ranking."]


def _queued(rows: TrialRows) -> Why:
    trial, queue = rows.trial, rows.queue
    name = trial_name(trial)
    if queue is None:
        return Why(f"{name} has not started.")
    if trial.sweep is not None and trial.sweep.state == "paused":
        return Why(f"{name} waits: its sweep is paused. Resume the sweep to run it.")
    if not queue.slots:
        lead = f"{name} waits: no worker of pool {queue.pool} has given a sign of life."
        note = "This starts one, with two slots, on any host that reaches the site:"
        command = f"python manage.py worker --pool {queue.pool} --slots 2"
        return Why(lead, [note], command=command)
    slots = "1 slot" if queue.slots == 1 else f"{queue.slots} slots"
    busy = min(queue.busy, queue.slots)
    lead = f"{name} waits for a free slot of pool {queue.pool}: {slots}, {busy} taken."
    return Why(lead, _lost_notes(rows))


def _lost_notes(rows: TrialRows) -> list[Sentence]:
    if len(rows.attempts) < 2:
        return []
    return [f"Attempt {rows.attempts[-1].n}: the one before was lost."]


SENTENCES: Mapping[TrialState, Callable[[TrialRows], Why]] = {
    TrialState.TERMINATED: _terminated,
    TrialState.COMPLETED: _completed,
    TrialState.RUNNING: _running,
    TrialState.FAILED: _failed,
    TrialState.CANCELLED: _cancelled,
    TrialState.QUEUED: _queued,
}
