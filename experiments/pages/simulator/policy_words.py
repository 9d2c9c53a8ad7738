"""Policies in a few words, for the head of a column or the end of a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.formatting import number_text
from experiments.pages.builder.policy_fields import settings_of
from experiments.search.termination import POLICIES, Policy

Settings = Mapping[str, Any]

MAX_PHRASES = 3


def kind_name(kind: str) -> str:
    policy = POLICIES.get(kind)
    return policy.title if policy else kind.replace("_", " ").capitalize()


def kind_in_sentence(settings: Settings) -> str:
    """The kind's title inside a sentence: `median stopping`, `ASHA`."""
    title = kind_name(str(settings.get("type")))
    return title if title.isupper() else f"{title[0].lower()}{title[1:]}"


def settings_words(settings: Settings) -> str:
    """The settings that differ from the defaults: `slack 0.1, from report 5`."""
    kind, common = str(settings.get("type")), Policy.declarations()
    own = (name for name in settings if name not in ("type", *common))
    schedule = (*Policy.SCHEDULE, *common)
    ordered = dict.fromkeys((*own, *(name for name in schedule if name in settings)))
    phrases = [
        setting_phrase(name, settings[name], kind=kind)
        for name in ordered
        if _is_named(kind, name, settings[name])
    ]
    return ", ".join(phrases[:MAX_PHRASES])


def setting_phrase(name: str, value: Any, *, kind: str) -> str:
    """`from report 5`, `worst 20 %`, `min delta 0.01`."""
    if isinstance(value, list):
        return " and ".join(kind_in_sentence(each) for each in value)
    text = number_text(value, 3) if not isinstance(value, bool) else ""
    if isinstance(value, float) and "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    setting = settings_of(kind).get(name)
    if setting is not None and setting.phrase:
        return setting.phrase.format(text)
    return f"{name.replace('_', ' ')} {text}".strip()


def _is_named(kind: str, name: str, value: Any) -> bool:
    setting = settings_of(kind).get(name)
    if value is None or setting is None:
        return value is not None
    return value != setting.default or setting.named
