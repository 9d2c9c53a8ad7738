"""How long a sweep should take, by hand-made examples."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.search.estimates import (
    Spread,
    TrialTimes,
    Workload,
    estimate,
    room_words,
)

SAME = TrialTimes([60.0] * 9, reports=20)
CHANGED = TrialTimes([60.0] * 9, reports=20, changed=True)
VARIED = TrialTimes([20.0, 40.0, 60.0, 80.0, 100.0])


@pytest.mark.parametrize(
    ("work", "times", "more", "duration", "compute", "at_once"),
    [
        ({}, SAME, {}, (600, 600, 600), (2400, 2400, 2400), 4),
        ({}, SAME, {"saved": 0.5}, (300, 300, 300), (1200, 1200, 1200), 4),
        ({}, SAME, {"capacity": 2}, (1200,) * 3, (2400,) * 3, 2),
        ({"slots": 2}, SAME, {}, (600,) * 3, (4800,) * 3, 4),
        ({"trials": 3}, SAME, {}, (60,) * 3, (180,) * 3, 3),
        ({"trials": 41}, SAME, {}, (660,) * 3, (2460,) * 3, 4),
        ({"tests_first": True}, SAME, {}, (606,) * 3, (2400,) * 3, 4),
        ({"trial_timeout": 30.0}, SAME, {}, (300,) * 3, (1200,) * 3, 4),
        ({"timeout": 300.0}, SAME, {}, (300,) * 3, (1200,) * 3, 4),
        ({}, CHANGED, {}, (400, 600, 900), (1600, 2400, 3600), 4),
        ({}, VARIED, {}, (400, 600, 800), (1600, 2400, 3200), 4),
    ],
)
def test_an_estimate_is_made_of_earlier_times_trials_slots_and_limits(
    work: dict[str, Any],
    times: TrialTimes,
    more: dict[str, Any],
    duration: tuple[float, ...],
    compute: tuple[float, ...],
    at_once: int,
) -> None:
    found = estimate(Workload(**{"trials": 40, "at_once": 4, **work}), times, **more)
    assert _near(found.duration, duration)
    assert _near(found.compute, compute)
    assert found.at_once == at_once
    assert found.is_cut == ("timeout" in work)


def _near(spread: Spread, wanted: tuple[float, ...]) -> bool:
    return pytest.approx(wanted) == (spread.low, spread.likely, spread.high)


def test_few_trials_and_other_code_make_the_range_wider() -> None:
    assert TrialTimes([60.0] * 4).is_wide and CHANGED.is_wide
    assert not SAME.is_wide


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (None, ""),
        (600.0, ", so 10m leaves room"),
        (90.0, ", so 10m leaves little room"),
        (30.0, ", so 10m ends most trials"),
    ],
)
def test_a_trials_limit_is_compared_with_what_trials_took(
    limit: float | None, words: str
) -> None:
    assert room_words(60.0, limit, limit_text="10m") == words
