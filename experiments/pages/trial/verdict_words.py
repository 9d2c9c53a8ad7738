"""A policy's verdicts in words: one against its threshold, and all of them together."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from experiments.formatting import distinct_texts, number_text
from experiments.models import Decision
from experiments.pages.trial.detail import TrialDetail
from experiments.pages.trial.verdicts import chance_text
from experiments.search.termination import Policy
from experiments.search.termination.comparison import ComparingPolicy
from experiments.search.termination.evidence import MARK, trial_mark
from experiments.search.wording import ordinal
from experiments.tracking.verdicts import CHANCE, Checks

# A policy with a fixed interval also checks after so many of them.
LATER = 9

Sentence = str | SafeString


def against_words(detail: TrialDetail, decision: Decision) -> Sentence:
    """``its best accuracy 0.8111 was below 0.8157, the median of …``"""
    words = _threshold_words(detail, decision)
    if decision.threshold is None or not words:
        return _reason_words(detail, decision)
    metric = detail.objective.primary_metric
    own, limit = distinct_texts(decision.value, decision.threshold)
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
    """The policy's own clause; its metric is named beside the trial's best."""
    words = _drawn(detail, decision.clause)
    if not decision.named_best:
        return words
    metric = detail.objective.primary_metric
    text = "with a best {} of <strong>{}</strong>, {}"
    return format_html(text, metric, decision.named_best, words)


def _side(detail: TrialDetail, decision: Decision) -> str:
    worse = "below" if detail.objective.maximizes else "above"
    better = "above" if detail.objective.maximizes else "below"
    if decision.value == decision.threshold:
        return "was equal to"
    return f"was {worse if decision.stop else better}"


def _threshold_words(detail: TrialDetail, decision: Decision) -> Sentence:
    """What the threshold is, in the policy's own words."""
    words = decision.limit_words
    if words and decision.policy == "median_stopping":
        reports = "report" if decision.n == 1 else f"{decision.n} reports"
        words += f" over the same {reports}"
    return _drawn(detail, words)


def _drawn(detail: TrialDetail, text: str) -> SafeString:
    """A clause whose marks are the metric with the trial's best, and links."""
    pieces = MARK.split(text.replace("'", "\u2019"))
    drawn: list[Sentence] = [pieces[0]]
    for kind, name, rest in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        drawn += [
            _trial_link(detail, int(name)) if kind == "trial" else _best(detail, name),
            rest,
        ]
    return format_html_join("", "{}", ((piece,) for piece in drawn))


def _best(detail: TrialDetail, value: str) -> SafeString:
    return format_html("{} <strong>{}</strong>", detail.objective.primary_metric, value)


def _trial_link(detail: TrialDetail, number: int) -> Sentence:
    url = detail.setter_urls.get(number)
    if url is None:
        return f"trial {number}"
    return format_html('<a href="{}">trial {}</a>', url, number)


def policy_sentence(detail: TrialDetail) -> str:
    if detail.policy is None:
        last = detail.checks.last
        return f"{last.policy_words}." if last else ""
    name = detail.policy.name_in_words()
    return f"{name[:1].upper()}{name[1:]}{_schedule(detail.policy)}."


def _schedule(policy: Policy) -> str:
    """When the policy checks, if at a fixed interval; others say it in their name."""
    every, first = policy.evaluation_interval, policy.next_check(0)
    if first is None or not policy.due(first + LATER * every):
        return ""
    words = "every report" if every == 1 else f"every {ordinal(every)} report"
    start = f" from the {ordinal(first)}" if first > 1 else ""
    return f", checked at {words}{start}"


def checks_sentence(detail: TrialDetail) -> str:
    checks = detail.checks
    if not checks.passed:
        return "This was its first check." if checks.ended else ""
    count = "One check" if checks.passed == 1 else f"{checks.passed} checks"
    if checks.closest is None:
        compares = isinstance(detail.policy, ComparingPolicy)
        why = ", without a threshold" if compares else ""
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
    """Which trials set the threshold, unless the lead has named them."""
    links = [
        _trial_link(detail, number)
        for number in decision.setters[:2]
        if trial_mark(number) not in decision.clause
    ]
    if not links:
        return ""
    if CHANCE in decision.facts:
        return format_html("At that report {} led.", links[0])
    names = format_html_join(" and ", "{}", ((link,) for link in links))
    return format_html("The threshold was set by {}.", names)


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
