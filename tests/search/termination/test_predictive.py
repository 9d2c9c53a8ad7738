"""Trials end when they are unlikely to become the best."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import ClassVar

import numpy as np
import pytest

from experiments.search.problems import DefinitionError
from experiments.search.standings import Standings
from experiments.search.termination import PredictivePolicy, make_policy
from experiments.search.termination.evidence import Verdict
from tests.search.termination.policy_contract import (
    MAXIMIZE,
    MINIMIZE,
    PolicyContract,
)

REPORTS = 20


class TestPredictive(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {"type": "predictive", "chance": 0.2}
    checks: ClassVar[Collection[int]] = range(3, 1000)


def power_law(final: float, start: float = 2.0, reports: int = REPORTS) -> list[float]:
    """A loss that falls from the start towards a final value."""
    shares = np.arange(1, reports + 1) / reports
    fall = (shares**-0.5 - 1) / (reports**0.5 - 1)
    return [final + (start - final) * float(part) for part in fall]


def finished(standings: Standings, number: int, curve: list[float]) -> None:
    standings.start(number)
    for loss in curve:
        standings.report(number, loss)
    standings.finish(number)


def verdict_on(
    curve: list[float], others: list[list[float]], **settings: float
) -> Verdict:
    """The verdict after the last report of a curve, when the others have finished."""
    standings = Standings()
    for number, other in enumerate(others):
        finished(standings, number, other)
    standings.start(len(others))
    for loss in curve:
        standings.report(len(others), loss)
    policy = PredictivePolicy(objective=MINIMIZE, **settings)  # type: ignore[arg-type]
    evidence = standings.evidence(len(others))
    verdict = policy.judge(evidence)
    assert policy.ends(evidence) == verdict.stop
    return verdict


OTHERS = [power_law(final) for final in np.linspace(0.2, 0.8, 13)]


def test_a_trial_far_behind_ends_and_says_what_it_would_have_to_gain() -> None:
    verdict = verdict_on(power_law(1.2)[:8], OTHERS)
    assert verdict.stop and verdict.setters == (0,)
    assert verdict.facts["gain_needed"] > verdict.facts["gain_expected"]
    assert verdict.facts["chance"] < 0.15
    assert verdict.threshold == pytest.approx(0.2)
    assert "to become the best it has to gain" in verdict.reason
    assert "% against 15.0%." in verdict.reason


def test_a_trial_among_the_best_at_its_report_goes_on() -> None:
    verdict = verdict_on(power_law(0.3)[:8], OTHERS)
    assert not verdict.stop
    assert "among the best 30%" in verdict.reason
    assert verdict_on(power_law(0.3)[:8], OTHERS, keep_share=0.0).facts != {}


def test_nothing_ends_before_a_trial_has_run_to_its_end() -> None:
    verdict = verdict_on(power_law(1.2)[:8], [])
    assert not verdict.stop
    standings = Standings()
    for number in range(4):
        standings.start(number)
        for loss in power_law(0.1 * number)[:6]:
            standings.report(number, loss)
    policy = PredictivePolicy(objective=MINIMIZE)
    verdict = policy.judge(standings.evidence(3))
    assert not verdict.stop
    assert "no trial has run to its end yet" in verdict.reason


def test_a_trial_without_a_finite_value_ends_once_others_have_shown_some() -> None:
    verdict = verdict_on([math.nan, math.inf, math.nan], OTHERS)
    assert verdict.stop and verdict.value is None
    assert verdict.reason == "Ended after report 3: no finite value so far."


def test_noise_makes_it_careful() -> None:
    """The same curves with noise as large as what parts the trials: one that is
    behind by less than that is not told from the best any more."""
    rng = np.random.default_rng(3)
    noisy = [
        [loss + 0.2 * float(rng.standard_normal()) for loss in curve]
        for curve in OTHERS
    ]
    behind = power_law(0.65)[:12]
    assert verdict_on(behind, OTHERS).stop
    assert not verdict_on(behind, noisy).stop


def test_a_higher_chance_is_thriftier() -> None:
    stops = {
        chance: sum(
            verdict_on(power_law(final)[:report], OTHERS, chance=chance).stop
            for final in np.linspace(0.3, 1.5, 7)
            for report in (3, 6, 12)
        )
        for chance in (0.01, 0.15, 0.5)
    }
    assert stops[0.01] < stops[0.15] < stops[0.5]


@pytest.mark.parametrize(
    ("field", "value"), [("chance", 1), ("chance", -0.1), ("keep_share", 2)]
)
def test_shares_are_shares(field: str, value: float) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy({"type": "predictive", field: value}, MAXIMIZE)
    assert list(caught.value.by_path()) == [f"early_termination.{field}"]
