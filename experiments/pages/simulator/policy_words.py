"""Policies in the few words that a column's head or a line's end has room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from experiments.search.termination import POLICIES
from experiments.words import number_text

Settings = Mapping[str, Any]

NAMES: Mapping[str, str] = {
    "truncation_selection": "Truncation",
    "asha": "ASHA",
    "any_of": "Any of several",
    "all_of": "All of several",
}
# When to pick a policy, in three or four words.
USES: Mapping[str, str] = {
    "predictive": "unlikely to win",
    "median_stopping": "worse than the typical trial",
    "bandit": "too far from the best",
    "truncation_selection": "worst share at each check",
    "asha": "survivors get more",
    "hyperband": "survivors, in brackets",
    "threshold": "misses a fixed value",
    "patience": "does not improve",
}
PHRASES: Mapping[str, str] = {
    "delay_evaluation": "from report {}",
    "evaluation_interval": "every {} reports",
    "slack_factor": "slack {}",
    "slack_amount": "slack {}",
    "truncation_percentage": "worst {} %",
    "chance": "below {} chance",
    "keep_share": "best {} go on",
    "reduction_factor": "one in {} goes on",
    "min_resource": "first rung {}",
    "max_resource": "of {} reports",
    "min_rivals": "against {} or more",
    "value": "reach {}",
    "by_report": "by report {}",
    "lower": "never below {}",
    "upper": "never above {}",
    "patience": "patience {}",
}
# Never left out: without it nothing is said about the policy.
TELLING = frozenset({"slack_factor", "reduction_factor", "patience", "chance"})
MOST_PHRASES = 3


def kind_name(kind: str) -> str:
    return NAMES.get(kind, kind.replace("_", " ").capitalize())


def settings_words(settings: Settings) -> str:
    """What of a policy's settings is not as usual: `slack 0.1, from report 5`."""
    kind = str(settings.get("type"))
    usual = _usual(kind)
    own = (name for name in settings if name not in ("type", *SCHEDULE))
    ordered = [*own, *(name for name in SCHEDULE if name in settings)]
    phrases = [
        setting_phrase(name, settings[name])
        for name in ordered
        if _telling(name, settings[name], usual)
    ]
    return ", ".join(phrases[:MOST_PHRASES])


SCHEDULE = ("delay_evaluation", "evaluation_interval", "min_rivals", "on_missing")


def setting_phrase(name: str, value: Any) -> str:
    """`from report 5`, `worst 20 %`, `min delta 0.01`."""
    if isinstance(value, list):
        return " and ".join(kind_name(str(each.get("type"))).lower() for each in value)
    text = number_text(value, 3) if not isinstance(value, bool) else ""
    if isinstance(value, float) and "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    phrase = PHRASES.get(name)
    return phrase.format(text) if phrase else f"{name.replace('_', ' ')} {text}".strip()


def _usual(kind: str) -> dict[str, Any]:
    policy = POLICIES.get(kind)
    if policy is None:
        return {}
    known = (each for each in fields(policy) if each.default is not MISSING)
    return {each.name: each.default for each in known}


def _telling(name: str, value: Any, usual: Settings) -> bool:
    if value is None:
        return False
    return value != usual.get(name, MISSING) or (name in TELLING and bool(value))
