"""The fields of a policy's form: one for each of its settings, whatever they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.value_text import read_number
from experiments.search.termination.policy import ON_MISSING

# What a field is called for people, and how far its slider goes for a trial of n
# reports: the low end, and the high end as a number or a part of n.
LABELS: Mapping[str, str] = {
    "delay_evaluation": "First check at report",
    "evaluation_interval": "Then every … reports",
    "slack_factor": "Slack, as a share of the best",
    "slack_amount": "or slack, in units of the metric",
    "truncation_percentage": "Percentage ended at every check",
    "exclude_finished_jobs": "Compare with running trials only",
    "chance": "Least chance of becoming the best",
    "keep_share": "Share of the best that always go on",
    "min_resource": "First rung at report",
    "reduction_factor": "One in … goes on",
    "max_resource": "Reports of a whole trial",
    "min_rivals": "Against at least … other trials",
    "on_missing": "A report of NaN or infinity",
    "value": "Value to reach",
    "by_report": "by report",
    "lower": "Never below",
    "upper": "Never above",
    "patience": "Reports without a better one",
    "min_delta": "What counts as better, at least",
}
SLIDERS: Mapping[str, tuple[float, float]] = {
    "delay_evaluation": (1, 0.5),
    "evaluation_interval": (1, 0.34),
    "min_resource": (1, 0.5),
    "by_report": (1, 1.0),
    "patience": (1, 1.0),
}
FIXED_SLIDERS: Mapping[str, tuple[float, float, float]] = {
    "truncation_percentage": (1, 99, 1),
    "reduction_factor": (2, 10, 1),
    "slack_factor": (0.0, 1.0, 0.01),
    "chance": (0.01, 0.5, 0.01),
    "keep_share": (0.0, 1.0, 0.05),
}
ON_MISSING_WORDS = {
    "worst": "is worse than any other",
    "stop": "ends the trial",
    "ignore": "is passed over",
}
# Settings that most people leave alone.
RARE = ("min_rivals", "on_missing", "min_delta")


@dataclass(frozen=True)
class Slider:
    """The ends of a range, and its step."""

    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Control:
    """One field: `kind` is number, check or choice; `problems` are sentences."""

    name: str
    label: str
    kind: str
    text: str
    options: Sequence[tuple[str, str]] = ()
    slider: Slider | None = None
    problems: Sequence[str] = ()

    @property
    def is_rare(self) -> bool:
        return self.name in RARE


def has_form(settings: Mapping[str, Any]) -> bool:
    """Whether every setting fits into a field; policies of policies do not."""
    return not any(isinstance(value, list | dict) for value in settings.values())


def text_of(value: object) -> str:
    """What stands in the field for a setting."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else ""
    return value if isinstance(value, str) else json.dumps(value)


def value_of(text: str, example: object) -> object:
    """The setting that a field's text stands for; None for nothing.

    `example` is a value of the setting, which tells a flag and a name from a number.
    """
    if isinstance(example, bool):
        return text == "on"
    if isinstance(example, str):
        return text.strip() or None
    return read_number(text)


def controls(
    settings: Mapping[str, Any],
    texts: Mapping[str, str],
    problems: Mapping[str, Sequence[str]],
    *,
    longest: int,
) -> list[Control]:
    """A field for each setting, its own before the schedule's."""
    names = [name for name in settings if name != "type"]
    schedule = [name for name in names if name in ("delay_evaluation",)]
    schedule += [name for name in names if name in ("evaluation_interval",)]
    rare = [name for name in names if name in RARE]
    own = [name for name in names if name not in (*schedule, *rare)]
    return [
        _control(name, settings[name], texts.get(name, ""), problems, longest)
        for name in (*own, *schedule, *rare)
    ]


def _control(
    name: str,
    example: object,
    text: str,
    problems: Mapping[str, Sequence[str]],
    longest: int,
) -> Control:
    kind, options = "number", _options(name)
    if isinstance(example, bool):
        kind = "check"
    elif options:
        kind = "choice"
    return Control(
        name=name,
        label=LABELS.get(name, name.replace("_", " ").capitalize()),
        kind=kind,
        text=text,
        options=options,
        slider=_slider(name, longest) if kind == "number" else None,
        problems=problems.get(name, ()),
    )


def _options(name: str) -> list[tuple[str, str]]:
    if name != "on_missing":
        return []
    return [(value, ON_MISSING_WORDS.get(value, value)) for value in ON_MISSING]


def _slider(name: str, longest: int) -> Slider | None:
    if name in FIXED_SLIDERS:
        return Slider(*FIXED_SLIDERS[name])
    if name not in SLIDERS:
        return None
    low, part = SLIDERS[name]
    return Slider(low, max(low + 1, round(longest * part)), 1)
