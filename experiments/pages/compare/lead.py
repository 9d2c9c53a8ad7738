"""The sentence above a comparison: the lead, held against the scatter of reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from experiments.models import Report, Trial
from experiments.models.trials import Origin, TrialState
from experiments.pages.compare.comparison import Comparison, Entrant
from experiments.pages.compare.differences import length_words, plain_text
from experiments.pages.places import same_value
from experiments.words import number_text

LAST_REPORTS = 10
FEWEST_REPORTS = 4
# Below this many times the scatter of its reports a lead is taken for luck.
SURE = 2.0
MOST_SENTENCES = 3
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True)
class Lead:
    sentence: str
    notes: Sequence[str]


def lead_of(comparison: Comparison) -> Lead:
    notes = [_difference(comparison, entrant) for entrant in comparison.others]
    return Lead(_sentence(comparison), notes[:MOST_SENTENCES])


def _sentence(comparison: Comparison) -> str:
    objective, reference = comparison.objective, comparison.reference
    if objective is None:
        return (
            "These trials have different objectives, so there is no best among them;"
            f" {reference.words} is the reference."
        )
    chaser = _chaser(comparison)
    if reference.trial.value is None:
        return f"None of these trials has a value of {objective.primary_metric} yet."
    if chaser is None or chaser.trial.value is None:
        return f"Only {reference.words} has a value of {objective.primary_metric}."
    gap = abs(reference.trial.value - chaser.trial.value)
    name = reference.words[:1].upper() + reference.words[1:]
    if gap == 0:
        return f"{name} and {chaser.words} are level at {objective.primary_metric}."
    lead = f"{name} leads {chaser.words} by {plain_text(gap, 3)}."
    return f"{lead} {_against_scatter(reference.trial, gap)}".strip()


def _chaser(comparison: Comparison) -> Entrant | None:
    """The best of the others."""
    objective = comparison.objective
    able = [
        (objective.loss(e.trial.value), e.trial.number, e)
        for e in comparison.others
        if objective is not None
        and e.trial.value is not None
        and e.trial.state != TrialState.FAILED
    ]
    return min(able, key=lambda row: row[:2])[2] if able else None


def _against_scatter(trial: Trial, gap: float) -> str:
    values = last_values(trial)
    if len(values) < FEWEST_REPORTS:
        return ""
    scatter = stdev(values)
    if scatter == 0:
        return "Its own last reports do not scatter at all."
    count = "ten" if len(values) == LAST_REPORTS else number_text(len(values))
    ratio = gap / scatter
    meaning = (
        "so another seed may turn it around"
        if ratio < SURE
        else "more than one seed's luck would explain"
    )
    times = f"{plain_text(ratio, 2)} times the scatter"
    return f"That is {times} of its own last {count} reports, {meaning}."


def last_values(trial: Trial) -> list[float]:
    """The finite values of the trial's last reports."""
    rows = Report.objects.filter(trial=trial, value__isnull=False).order_by("-n")
    values = rows.values_list("value", flat=True)[:LAST_REPORTS]
    return [
        value for value in values if value is not None and abs(value) < float("inf")
    ]


def _difference(comparison: Comparison, entrant: Entrant) -> str:
    """``Trial 6 differs in 4 of 5 parameters and took 2.4 times as long.``"""
    name = entrant.words[:1].upper() + entrant.words[1:]
    facts = [_count_words(comparison.reference.params, entrant.params)]
    facts += _course(comparison.reference, entrant)
    if len(facts) > 1:
        facts = [", ".join(facts[:-1]), facts[-1]]
    return f"{name} {' and '.join(facts)}."


def _count_words(reference: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    names = dict.fromkeys([*reference, *params])
    count = sum(
        name not in reference
        or name not in params
        or not same_value(reference[name], params[name])
        for name in names
    )
    if not count:
        return "has the same parameters"
    which = f"all {count}" if count == len(names) > 1 else f"{count} of {len(names)}"
    return f"differs in {which} parameters"


def _course(reference: Entrant, entrant: Entrant) -> Iterator[str]:
    trial = entrant.trial
    if trial.origin == Origin.IMPORTED:
        yield "ended elsewhere"
    elif trial.state == TrialState.TERMINATED:
        yield f"was ended early after report {trial.reports}"
    elif trial.state == TrialState.FAILED:
        yield "failed"
    elif trial.state == TrialState.CANCELLED:
        yield "was cancelled"
    elif trial.state in (TrialState.RUNNING, TrialState.QUEUED):
        yield f"is {trial.state}"
    elif length := length_words(entrant.elapsed, reference.elapsed):
        yield length


def all_words(count: int) -> str:
    """``both``, ``all three``."""
    return "both" if count == 2 else f"all {COUNTS[count]}"
