"""Settings that fit a recording, and policies that differ in one setting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from experiments.search.fields import DefinitionError
from experiments.search.records import JSONValue, Objective
from experiments.search.simulation.recording import Recording
from experiments.search.termination import POLICIES, Policy, make_policy
from experiments.search.termination.settings import IntegerSetting, Setting

Settings = Mapping[str, JSONValue]

MAX_MEMBERS = 8
SCHEDULE = (*Policy.SCHEDULE, "min_rivals")
# Settings without usual values are tried at these multiples of their value.
FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
# Settings that count reports are tried up to this share of a whole trial.
MAX_TRIAL_SHARE = 0.5
# The first check, as a part of a whole trial, and the digits of a proposed bound.
FIRST_CHECK = 6
DIGITS = 3


@dataclass(frozen=True)
class PolicyFamily:
    """Policies that differ in one setting, `field`, in ascending order of it."""

    kind: str
    field: str
    members: tuple[Settings, ...]


def varied_fields(settings: Settings) -> list[str]:
    """The settings of a policy that are numbers, its own before its schedule."""
    numbers = [name for name, value in settings.items() if _is_number(value)]
    return sorted(numbers, key=lambda name: name in SCHEDULE)


def main_field(settings: Settings) -> str | None:
    """The setting that is varied by default; None if none is a number."""

    def rank(name: str) -> tuple[int, bool, bool]:
        place = SCHEDULE.index(name) if name in SCHEDULE else -1
        return place, not _declared(settings)[name].named, not settings[name]

    return min(varied_fields(settings), key=rank, default=None)


def family(
    settings: Settings, field: str, *, objective: Objective, longest: int
) -> PolicyFamily:
    """A policy with one setting over its range, including its own value."""
    own, setting = settings[field], _declared(settings)[field]
    values = {float(own)} if isinstance(own, int | float) else set()
    values.update(_range(setting, own, longest))
    whole = isinstance(setting, IntegerSetting)
    members: list[Settings] = []
    for value in sorted(values):
        member = {**settings, field: round(value) if whole else value}
        if member not in members and _valid(member, objective):
            members.append(member)
    return PolicyFamily(str(settings["type"]), field, tuple(_few(members, field, own)))


def families(
    own: Settings,
    field: str | None,
    others: Iterable[Settings],
    *,
    objective: Objective,
    longest: int,
) -> list[PolicyFamily]:
    """The family of the user's setting, by a field or its main one, and of others."""
    chosen = [(own, field if field in varied_fields(own) else main_field(own))]
    chosen += [(settings, main_field(settings)) for settings in others]
    return [
        family(settings, name, objective=objective, longest=longest)
        for settings, name in chosen
        if name is not None
    ]


def _declared(settings: Settings) -> Mapping[str, Setting]:
    return POLICIES[str(settings["type"])].declarations()


def _range(setting: Setting, own: JSONValue, longest: int) -> list[float]:
    if setting.usual:
        return list(setting.usual)
    if setting.trial_share:
        share = min(setting.trial_share, MAX_TRIAL_SHARE)
        return _spread(1, max(1, int(longest * share)))
    if not _is_number(own) or not isinstance(own, int | float) or own == 0:
        return []
    return [own * factor for factor in FACTORS]


def _spread(low: int, high: int) -> list[float]:
    """Whole numbers from low to high, denser at the lower end."""
    steps = MAX_MEMBERS - 1
    ratio = high / low
    return sorted({float(round(low * ratio ** (k / steps))) for k in range(steps + 1)})


def _few(members: list[Settings], field: str, own: JSONValue) -> list[Settings]:
    """At most MAX_MEMBERS, including the one with the policy's own value."""
    while len(members) > MAX_MEMBERS:
        spare = [k for k, each in enumerate(members) if each[field] != own]
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


def proposal(
    kind: str, recording: Recording, objective: Objective
) -> dict[str, JSONValue] | None:
    """All settings of a policy of that kind; None if it cannot be proposed."""
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
    """The proposed settings by kind of policy."""
    found = {kind: proposal(kind, recording, objective) for kind in POLICIES}
    return {kind: settings for kind, settings in found.items() if settings}


def _needs(kind: str, recording: Recording, objective: Objective) -> Settings:
    """Settings that fit this recording better than their defaults, or have none."""
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
        "wandb_hyperband": {"min_iter": first},
        "patience": {"patience": 2 * first},
    }
    if kind == "threshold":
        return _bound(recording, objective, report=2 * first)
    return schedules.get(kind, {})


def _bound(recording: Recording, objective: Objective, *, report: int) -> Settings:
    """The value that half of the trials reach by a report."""
    levels = recording.level(np.minimum(report, recording.reports))
    levels = levels[np.isfinite(levels)]
    if not len(levels):
        return {}
    value = objective.value(float(np.median(levels)))
    return {"value": float(f"{value:.{DIGITS}g}"), "by_report": report}
