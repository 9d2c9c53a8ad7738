"""One setting of a policy over a range: what a trade-off is drawn from.

Settings to begin with, made for the length and the values of a recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.search.fields import DefinitionError
from experiments.search.records import JSONValue, Objective
from experiments.search.simulation.recording import Recording
from experiments.search.termination import POLICIES, make_policy

Settings = Mapping[str, JSONValue]

MAX_MEMBERS = 8
# What of a policy is varied when nobody chose; the others by their first own number.
MAIN: Mapping[str, str] = {
    "median_stopping": "delay_evaluation",
    "bandit": "slack_factor",
    "truncation_selection": "truncation_percentage",
    "hyperband": "reduction_factor",
    "asha": "reduction_factor",
    "threshold": "value",
    "predictive": "chance",
}
SCHEDULE = ("evaluation_interval", "delay_evaluation", "min_rivals")
RANGES: Mapping[str, Sequence[float]] = {
    "slack_factor": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    "truncation_percentage": (10, 20, 30, 40, 50, 60, 70, 80),
    "reduction_factor": (2, 3, 4, 6, 8),
    "chance": (0.02, 0.05, 0.1, 0.15, 0.25, 0.4),
    "keep_share": (0.1, 0.2, 0.3, 0.4, 0.5),
    "min_rivals": (1, 2, 3, 5, 10, 20, 50),
}
# Other settings are tried at these multiples of what they are.
FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)


@dataclass(frozen=True)
class PolicyFamily:
    """Policies that differ in one setting, `field`, in ascending order of it."""

    kind: str
    field: str
    members: tuple[Settings, ...]

    def value(self, member: Settings) -> float:
        """The varied setting of a member."""
        value = member[self.field]
        if isinstance(value, int | float):
            return float(value)
        raise TypeError(f"{self.field} of {self.kind} is not a number: {value!r}")


def varied_fields(settings: Settings) -> list[str]:
    """The settings of a policy that are numbers, its own before its schedule."""
    numbers = [name for name, value in settings.items() if _is_number(value)]
    return sorted(numbers, key=lambda name: name in SCHEDULE)


def main_field(settings: Settings) -> str | None:
    """What is varied when nobody chose; None when no setting is a number."""
    fields = varied_fields(settings)
    main = MAIN.get(str(settings.get("type")))
    if settings.get("type") == "bandit" and settings.get("slack_amount"):
        main = "slack_amount"
    return main if main in fields else next(iter(fields), None)


def family(
    settings: Settings, field: str, *, objective: Objective, longest: int
) -> PolicyFamily:
    """A policy's settings with one of them over its range, its own value included."""
    now = settings[field]
    values = {float(now)} if isinstance(now, int | float) else set()
    values |= set(_range(field, now, longest))
    whole = isinstance(now, int) and field not in ("slack_factor", "slack_amount")
    members: list[Settings] = []
    for value in sorted(values):
        member = {**settings, field: round(value) if whole else value}
        if member not in members and _valid(member, objective):
            members.append(member)
    return PolicyFamily(str(settings["type"]), field, tuple(_few(members, field, now)))


def families(
    own: Settings,
    field: str | None,
    others: Iterable[Settings],
    *,
    objective: Objective,
    longest: int,
) -> list[PolicyFamily]:
    """The family of one's own setting, by a field or its main one, and of others."""
    chosen = [(own, field if field in varied_fields(own) else main_field(own))]
    chosen += [(settings, main_field(settings)) for settings in others]
    return [
        family(settings, name, objective=objective, longest=longest)
        for settings, name in chosen
        if name is not None
    ]


def _range(field: str, now: JSONValue, longest: int) -> list[float]:
    if field in RANGES:
        return list(RANGES[field])
    if field in ("delay_evaluation", "min_resource", "patience", "by_report"):
        return _spread(1, max(1, longest // 2))
    if field == "evaluation_interval":
        return _spread(1, max(1, longest // 3))
    if not _is_number(now) or not isinstance(now, int | float) or now == 0:
        return []
    return [now * factor for factor in FACTORS]


def _spread(low: int, high: int) -> list[float]:
    """Whole numbers from low to high, denser at the lower end."""
    steps = MAX_MEMBERS - 1
    ratio = high / low
    return sorted({float(round(low * ratio ** (k / steps))) for k in range(steps + 1)})


def _few(members: list[Settings], field: str, now: JSONValue) -> list[Settings]:
    """No more than MAX_MEMBERS, the present setting among them."""
    while len(members) > MAX_MEMBERS:
        spare = [k for k, each in enumerate(members) if each[field] != now]
        middle = spare[len(spare) // 2]
        members = members[:middle] + members[middle + 1 :]
    return members


def _valid(settings: Settings, objective: Objective) -> bool:
    try:
        return make_policy(settings, objective) is not None
    except DefinitionError:
        return False


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


# The first check, as a part of a whole trial, and the digits of a proposed bound.
FIRST_CHECK = 6
DIGITS = 3


def proposal(
    kind: str, recording: Recording, objective: Objective
) -> dict[str, JSONValue] | None:
    """All settings of a policy of that kind; None for one that cannot be proposed.

    A kind that nothing is known about here is proposed with its own defaults.
    """
    if kind not in POLICIES:
        return None
    document = {"type": kind, **_needs(kind, recording, objective)}
    try:
        policy = make_policy(document, objective)
    except DefinitionError:
        return None
    return policy.settings() if policy is not None else None


def proposals(
    recording: Recording, objective: Objective
) -> dict[str, dict[str, JSONValue]]:
    """What is proposed of every kind that can be, by kind."""
    found = {kind: proposal(kind, recording, objective) for kind in POLICIES}
    return {kind: settings for kind, settings in found.items() if settings}


def _needs(kind: str, recording: Recording, objective: Objective) -> Settings:
    """What fits this recording better than the defaults, or has none."""
    longest = max(2, recording.longest)
    first = max(1, longest // FIRST_CHECK)
    schedules: Mapping[str, Settings] = {
        "median_stopping": {"delay_evaluation": first},
        "bandit": {"slack_factor": 0.1, "delay_evaluation": first},
        "truncation_selection": {
            "truncation_percentage": 20,
            "delay_evaluation": first,
            "evaluation_interval": first,
        },
        "hyperband": {"max_resource": longest},
        "patience": {"patience": 2 * first},
    }
    if kind == "threshold":
        return _bound(recording, objective, report=2 * first)
    return schedules.get(kind, {})


def _bound(recording: Recording, objective: Objective, *, report: int) -> Settings:
    """What half of the trials reach by a report."""
    levels = recording.level(np.minimum(report, recording.reports))
    levels = levels[np.isfinite(levels)]
    if not len(levels):
        return {}
    value = objective.value(float(np.median(levels)))
    return {"value": float(f"{value:.{DIGITS}g}"), "by_report": report}
