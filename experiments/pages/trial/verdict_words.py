"""A policy's verdicts in words: one against its threshold, and all of them together."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from experiments.formatting import number_text, told_apart
from experiments.models import Decision
from experiments.pages.trial.detail import TrialDetail
from experiments.pages.trial.verdicts import chance_text
from experiments.search.termination import Policy
from experiments.search.termination.comparison import ComparingPolicy
from experiments.search.wording import ordinal
from experiments.tracking.verdicts import CHANCE, Checks

# The own best in it, with or without being called so.
OWN_BEST = re.compile(r"(?:\bits best |(?<=; )|^)(-?\d\S*)(?= )")
TRIAL_NAME = re.compile(r"\btrial (\d+)\b")

# A policy that looks at even intervals does so after that many of them, too.
LATER = 9

Sentence = str | SafeString


def against_words(detail: TrialDetail, decision: Decision) -> Sentence:
    """``its best accuracy 0.8111 was below 0.8157, the median of …``"""
    words = _threshold_words(detail, decision)
    if decision.threshold is None or not words:
        return _reason_words(detail, decision)
    metric = detail.objective.primary_metric
    own, limit = told_apart(decision.value, decision.threshold)
    if decision.value is None:
        return format_html(
            "no finite {} against <strong>{}</strong>, {}", metric, limit, words
        )
    return format_html(
        "its best {} <strong>{}</strong> {} <strong>{}</strong>, {}",
        metric,
        own,
        _side(detail, decision),
        limit,
        words,
    )


def _reason_words(detail: TrialDetail, decision: Decision) -> Sentence:
    """The policy's own clause: the own best named and made strong."""
    text = decision.clause.replace("'", "\u2019")
    metric = detail.objective.primary_metric
    pieces = [
        format_html("its best {} <strong>{}</strong>", metric, piece)
        if index % 2
        else linked_trials(piece, detail.setter_urls)
        for index, piece in enumerate(OWN_BEST.split(text))
    ]
    rest = format_html_join("", "{}", ((piece,) for piece in pieces))
    if not decision.named_best:
        return rest
    words = "with a best {} of <strong>{}</strong>, {}"
    return format_html(words, metric, decision.named_best, rest)


def _side(detail: TrialDetail, decision: Decision) -> str:
    worse = "below" if detail.objective.maximizes else "above"
    better = "above" if detail.objective.maximizes else "below"
    if decision.value == decision.threshold:
        return "was equal to"
    return f"was {worse if decision.stop else better}"


def _threshold_words(detail: TrialDetail, decision: Decision) -> Sentence:
    """What the threshold is, in the policy's own words, its trials linked."""
    words = decision.limit_words.replace("'", "\u2019")
    if not words:
        return ""
    if decision.policy == "median_stopping":
        reports = "report" if decision.n == 1 else f"{decision.n} reports"
        words += f" over the same {reports}"
    return linked_trials(words, detail.setter_urls)


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


def policy_sentence(detail: TrialDetail) -> str:
    if detail.policy is None:
        last = detail.checks.last
        return f"{last.policy_words}." if last else ""
    name = detail.policy.name_in_words()
    return f"{name[:1].upper()}{name[1:]}{_schedule(detail.policy)}."


def _schedule(policy: Policy) -> str:
    """When it looks, for a policy that looks at even intervals; others say it."""
    every, first = policy.evaluation_interval, policy.next_check(0)
    if first is None or not policy.due(first + LATER * every):
        return ""
    words = "every report" if every == 1 else f"every {ordinal(every)} report"
    start = f" from the {ordinal(first)}" if first > 1 else ""
    return f", checked at {words}{start}"


def checks_sentence(detail: TrialDetail) -> str:
    checks = detail.checks
    if not checks.passed:
        return "It was the first check." if checks.ended else ""
    count = "One check" if checks.passed == 1 else f"{checks.passed} checks"
    if checks.closest is None:
        compares = isinstance(detail.policy, ComparingPolicy)
        why = ", without a threshold to be held against" if compares else ""
        return f"{count} passed{why}."
    how = _closeness(checks)
    if checks.passed == 1:
        return f"{count} passed, at report {checks.closest.n} with {how}."
    return f"{count} passed; it was closest at report {checks.closest.n}, with {how}."


def _closeness(checks: Checks) -> str:
    if checks.chance is not None:
        return f"a chance of {chance_text(checks.chance)} to become the best"
    return f"{number_text(checks.spare, 2)} to spare"


def standstill_sentence(detail: TrialDetail) -> str:
    trial, metric = detail.trial, detail.objective.primary_metric
    if trial.value_report is None or trial.value_report >= trial.reports:
        return ""
    turn = "risen" if detail.objective.maximizes else "fallen"
    name = metric[:1].upper() + metric[1:]
    return f"{name} had not {turn} since report {trial.value_report}."


def setters_sentence(detail: TrialDetail, decision: Decision) -> Sentence:
    """Who set the threshold, unless the lead has said so."""
    numbers = [n for n in decision.setters if f"trial {n}" not in decision.reason]
    if not numbers:
        return ""
    if CHANCE in decision.facts:
        return linked_trials(
            f"At that report trial {numbers[0]} led.", detail.setter_urls
        )
    names = " and ".join(f"trial {n}" for n in numbers[:2])
    return linked_trials(f"The threshold lay at {names}.", detail.setter_urls)


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
