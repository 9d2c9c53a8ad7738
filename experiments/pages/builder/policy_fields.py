"""The settings of early-termination policies as fields of the form.

Which policy has which setting, and what is usual, the policies themselves tell; here
are the words. A setting without words of its own has its name for a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import Any

from experiments.search.termination import POLICIES, AshaPolicy
from experiments.search.termination.policy import ON_MISSING, Policy

# Every policy has these, and the page shows them below its own.
SCHEDULE = ("delay_evaluation", "evaluation_interval")
COMMON = ("objective", *SCHEDULE, "min_rivals", "on_missing")
# Rungs are a schedule of their own.
SCHEDULED = frozenset(
    kind for kind, policy in POLICIES.items() if not issubclass(policy, AshaPolicy)
)
# Shown even where they are as usual: they say when a trial is judged.
TELLING = frozenset({*SCHEDULE, "min_resource", "reduction_factor"})

NTH = "the n-th report of the primary metric"
WORDS: Mapping[str, tuple[str, str, str]] = {
    # name: label, help, placeholder
    "chance": (
        "Least chance to become the best",
        "A share: with less than that a trial ends. More saves more and risks more.",
        "0.15",
    ),
    "keep_share": (
        "Always kept: the best share",
        "Of the trials that came as far; nothing is predicted for these.",
        "0.3",
    ),
    "slack_factor": (
        "Slack factor",
        "Allowed distance from the best, as a share of it.",
        "0.2",
    ),
    "slack_amount": (
        "or slack amount",
        "The same in units of the metric. One of the two.",
        "0.05",
    ),
    "truncation_percentage": ("Percentage ended at every check", "", "20"),
    "exclude_finished_jobs": (
        "Compare with running trials only (exclude_finished_jobs)",
        "",
        "",
    ),
    "min_resource": (
        "First rung at report",
        f"Counted as {NTH}, whatever step it names.",
        "1",
    ),
    "reduction_factor": (
        "One in … goes on",
        "Also how much further each rung is: with 3 from report 1 on 1, 3, 9, 27.",
        "3",
    ),
    "max_resource": (
        "Reports of a whole trial",
        "How often a trial that runs to its end reports the primary metric.",
        "81",
    ),
    "value": ("Value to reach", "In units of the metric.", "0.5"),
    "by_report": ("by report", f"Counted as {NTH}.", "1"),
    "lower": ("Never below", "The latest report, in units of the metric.", "no bound"),
    "upper": ("Never above", "The latest report, in units of the metric.", "no bound"),
    "patience": (
        "Reports without a better one",
        f"So many in a row. A report is {NTH}.",
        "10",
    ),
    "min_delta": ("What counts as better, more than", "In units of the metric.", "0"),
    "policies": (
        "The rules, one a line",
        "Each as a document's early_termination would have it, 2 to 8 of them.",
        "- {type: median_stopping, delay_evaluation: 5}\n"
        "- {type: patience, patience: 10}",
    ),
}
# What a report that is no finite number means, for people.
MISSING_WORDS: Mapping[str, str] = {
    "worst": "counts as worse than any number",
    "stop": "ends the trial",
    "ignore": "is passed over, the trial goes on",
}


@dataclass(frozen=True)
class PolicyField:
    """One setting: `control` is number, check or lines, and `kinds` have it."""

    name: str
    label: str
    help: str
    placeholder: str
    control: str
    kinds: tuple[str, ...]


def usual(kind: str) -> Mapping[str, object]:
    """What the settings of a kind are where a document does not say."""
    return {
        setting.name: setting.default
        for setting in _settings(POLICIES.get(kind))
        if setting.default is not MISSING
    }


def is_usual(kind: str, name: str, value: object) -> bool:
    """Whether a setting says nothing that would not hold without it."""
    if name in TELLING and (name not in SCHEDULE or kind in SCHEDULED):
        return False
    known = usual(kind)
    return name in known and _same(value, known[name])


def trimmed(settings: object) -> object:
    """A policy's mapping without what is usual, and those inside it likewise."""
    if not isinstance(settings, Mapping):
        return settings
    known = usual(str(settings.get("type")))
    return {
        name: [trimmed(each) for each in value] if isinstance(value, list) else value
        for name, value in settings.items()
        if name not in known or not _same(value, known[name])
    }


def missing_choices(picked: str) -> list[tuple[str, str]]:
    """What on_missing may be, the usual one as nothing; what else is picked as well."""
    choices: list[tuple[str, str]] = [
        ("" if name == ON_MISSING[0] else name, MISSING_WORDS[name])
        for name in ON_MISSING
    ]
    if picked not in [value for value, _ in choices]:
        choices.append((picked, MISSING_WORDS.get(picked, picked[:60])))
    return choices


def _settings(policy: type[Policy] | None) -> Iterator[Field[Any]]:
    for setting in fields(policy) if policy else ():
        if setting.name != "objective":
            yield setting


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


@cache
def policy_fields() -> tuple[PolicyField, ...]:
    """The settings that only some policies have, in the order of the registry."""
    kinds: dict[str, list[str]] = {}
    controls: dict[str, str] = {}
    for kind, policy in POLICIES.items():
        for setting in _settings(policy):
            if setting.name not in COMMON:
                kinds.setdefault(setting.name, []).append(kind)
                controls[setting.name] = _control(setting)
    return tuple(
        PolicyField(name, *_words(name), controls[name], tuple(having))
        for name, having in kinds.items()
    )


def _words(name: str) -> tuple[str, str, str]:
    return WORDS.get(name, (name.replace("_", " ").capitalize(), "", ""))


def _control(setting: Field[Any]) -> str:
    if setting.name == "policies":
        return "lines"
    return "check" if isinstance(setting.default, bool) else "number"
