"""How much better the reference is, in a sentence; and differences of single values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib.humanize.templatetags.humanize import apnumber

from experiments.formatting import number_text, share_text, signed_text
from experiments.models import Trial
from experiments.models.trials import Origin, TrialState
from experiments.pages.compare.comparison import Comparison, Entrant
from experiments.search.fields import is_number, listed
from experiments.search.learning_curves import noise_of
from experiments.tracking import series
from experiments.tracking.axes import ParameterAxis, same_value


def difference_text(axis: ParameterAxis | None, value: Any, reference: Any) -> str:
    """A factor on log scales and among choices, a signed number on linear ones.

    Empty where the two are the same or are not both numbers.
    """
    if not (is_number(value) and is_number(reference)) or same_value(value, reference):
        return ""
    scaled = axis is not None and (axis.log or bool(axis.choices))
    if scaled and value > 0 and reference > 0:
        return ratio_text(value / reference)
    return signed_text(value - reference, 3)


def ratio_text(ratio: float) -> str:
    """``x2.6``, ``x2``, ``÷4``: two digits, or four where two would say ``x1``."""
    if not math.isfinite(ratio) or ratio <= 0:
        return ""
    sign, size = ("\u00d7", ratio) if ratio >= 1 else ("÷", 1 / ratio)
    for digits in (2, 3, 4):
        text = plain_text(size, digits)
        if text != "1":
            return f"{sign}{text}"
    return ""


def plain_text(value: float, digits: int) -> str:
    """A number with so many significant digits, without trailing zeros."""
    text = number_text(value, digits)
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return text


def length_words(seconds: float | None, reference: float | None) -> str:
    """``took 2.4 times as long``, ``took 59 % less time``; empty when unknown."""
    if not seconds or not reference:
        return ""
    ratio = seconds / reference
    if 0.9 <= ratio <= 1.1:
        return "took about as long"
    if ratio < 1:
        return f"took {share_text(1 - ratio)} less time"
    return f"took {plain_text(ratio, 2)} times as long"


LAST_REPORTS = 10
# A lead below this many times the scatter of reports may be luck.
MIN_CERTAIN, MAX_RATIO = 2.0, 100.0
MAX_SENTENCES = 3


@dataclass(frozen=True)
class LeadSentence:
    sentence: str
    notes: Sequence[str]


def lead_of(comparison: Comparison) -> LeadSentence:
    notes = [_difference(comparison, entrant) for entrant in comparison.others]
    return LeadSentence(_sentence(comparison), notes[:MAX_SENTENCES])


def _sentence(comparison: Comparison) -> str:
    objective, reference = comparison.objective, comparison.reference
    if objective is None and not comparison.sweeps:
        return f"Runs have no objective; {reference.words} is the reference."
    if objective is None:
        return (
            "These trials have different objectives, so none is the best;"
            f" {reference.words} is the reference."
        )
    chaser = _chaser(comparison)
    if reference.trial.value is None:
        metric = objective.primary_metric
        return f"None of these {comparison.noun} has a value of {metric} yet."
    if chaser is None or chaser.trial.value is None:
        return f"Only {reference.words} has a value of {objective.primary_metric}."
    gap = abs(reference.trial.value - chaser.trial.value)
    name = reference.words[:1].upper() + reference.words[1:]
    if gap == 0:
        return f"{name} and {chaser.words} have the same {objective.primary_metric}."
    lead = f"{name} leads {chaser.words} by {plain_text(gap, 3)}."
    return f"{lead} {_against_noise(reference.trial, gap)}".strip()


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


def _against_noise(trial: Trial, gap: float) -> str:
    """The lead beside the scatter of the leader's last reports, without their trend."""
    values = last_values(trial)
    scatter = noise_of(np.array(values))
    if scatter is None:
        return ""
    reports = f"last {len(values)} reports"
    if max(values) == min(values):
        return f"Its {reports} are all the same."
    if gap > MAX_RATIO * scatter:
        return f"Its {reports} hardly scatter around their trend."
    size = plain_text(gap / scatter, 2)
    compared = (
        f"Around their trend its {reports} scatter by {plain_text(scatter, 2)}"
        f" (standard deviation); the lead is {size} times that"
    )
    if gap < MIN_CERTAIN * scatter:
        return f"{compared}, so another seed may reverse it."
    return f"{compared}, more than this scatter explains."


def last_values(trial: Trial) -> list[float]:
    """The finite values of the trial's last reports."""
    start = max(0, trial.reports - LAST_REPORTS)
    own = Trial.objects.filter(pk=trial.pk)
    for _, points in series.reported(own, start=start):
        return [value for value in points["value"].tolist() if math.isfinite(value)]
    return []


def _difference(comparison: Comparison, entrant: Entrant) -> str:
    """``Trial 6 differs in 4 of 5 parameters and took 2.4 times as long.``"""
    name = entrant.words[:1].upper() + entrant.words[1:]
    facts = [_count_words(comparison.reference.params, entrant.params)]
    facts += _course(comparison.reference, entrant)
    return f"{name} {listed(facts)}."


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
    if len(names) == 1:
        return "differs in its only parameter"
    which = f"all {count}" if count == len(names) else f"{count} of {len(names)}"
    return f"differs in {which} parameters"


def _course(reference: Entrant, entrant: Entrant) -> Iterator[str]:
    trial = entrant.trial
    if trial.origin == Origin.IMPORTED:
        yield "was imported"
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
    return "both" if count == 2 else f"all {apnumber(count)}"
