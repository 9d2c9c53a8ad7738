"""Settings to begin with, made for the length and the values of a recording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from experiments.search.problems import DefinitionError
from experiments.search.records import JSONValue, Objective
from experiments.search.replay.recording import Recording
from experiments.search.termination import POLICIES, make_policy

Settings = Mapping[str, JSONValue]

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
