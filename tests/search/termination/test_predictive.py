"""Trials end when they are unlikely to become the best."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import ClassVar

import numpy as np
import pytest

from experiments.search.fields import DefinitionError
from experiments.search.standings import Standings
from experiments.search.termination import PredictivePolicy, make_policy
from experiments.search.termination.evidence import Evidence, Verdict
from tests.search.termination.policy_contract import MAXIMIZE, MINIMIZE, PolicyContract

REPORTS = 20


class TestPredictive(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {"type": "predictive", "chance": 0.2}
    checks: ClassVar[Collection[int]] = range(3, 1000)


def power_law(final: float, start: float = 2.0, reports: int = REPORTS) -> list[float]:
    """A loss that falls from the start towards a final value."""
    shares = np.arange(1, reports + 1) / reports
    fall = (shares**-0.5 - 1) / (reports**0.5 - 1)
    return [final + (start - final) * float(part) for part in fall]


def running(standings: Standings, number: int, curve: list[float]) -> Evidence:
    """The evidence after the last report of a curve."""
    standings.start(number)
    evidence = [standings.report(number, loss) for loss in curve][-1]
    assert evidence is not None
    return evidence


def finished(standings: Standings, number: int, curve: list[float]) -> None:
    running(standings, number, curve)
    standings.finish(number)


def verdict_on(
    curve: list[float], others: list[list[float]], **settings: float
) -> Verdict:
    """The verdict after the last report of a curve, when the others have finished."""
    standings = Standings()
    for number, other in enumerate(others):
        finished(standings, number, other)
    evidence = running(standings, len(others), curve)
    policy = PredictivePolicy(objective=MINIMIZE, **settings)  # type: ignore[arg-type]
    verdict = policy.judge(evidence)
    assert policy.ends(evidence) == verdict.stop
    return verdict


OTHERS = [power_law(final) for final in np.linspace(0.2, 0.8, 13)]


def test_a_trial_far_behind_ends_and_says_what_it_would_have_to_gain() -> None:
    verdict = verdict_on(power_law(1.2)[:8], OTHERS)
    assert verdict.stop and verdict.setters == (0,)
    assert verdict.facts["gain_needed"] > verdict.facts["gain_expected"]
    assert verdict.facts["chance"] < 0.13
    assert verdict.threshold == pytest.approx(0.2)
    # Of 14 trials 13 are better, and 13 % is required at the median rank.
    assert verdict.facts["share_better"] == pytest.approx(13 / 14)
    assert verdict.facts["chance_asked"] == pytest.approx(0.13 * 13 / 14 / 0.5)


NUMBER = r"\d+(\.\d+)?"


def test_its_sentence_has_the_prediction_and_the_required_chance() -> None:
    ended = verdict_on(power_law(1.2)[:8], OTHERS).reason
    assert re.fullmatch(
        rf"Ended after report 8 with {NUMBER}: to beat the best it needs to gain"
        rf" {NUMBER} more, and about {NUMBER} is predicted from trials that improved as"
        rf" fast\. That is a chance of (below )?{NUMBER}%, and 24\.1% was required"
        r" \(13% for an average trial\), because 93% of the trials are better at this"
        r" report\.",
        ended,
    )
    ahead = verdict_on(power_law(0.42)[:8], OTHERS).reason
    assert ahead.startswith("Kept at report 8")
    assert "9.3% was required (13% for an average trial)" in ahead
    assert ahead.endswith("because only 36% of the trials are better at this report.")
    middle = verdict_on(power_law(0.52)[:8], OTHERS).reason
    assert middle.endswith("13% was required, as for any average trial.")


def test_a_tiny_chance_is_not_shown_as_zero() -> None:
    verdict = verdict_on([9.0] * 8, OTHERS)
    assert 0 < verdict.facts["chance"] < 0.001
    assert "a chance of below 0.1%, and" in verdict.reason


def test_a_trial_among_the_best_at_its_report_continues() -> None:
    verdict = verdict_on(power_law(0.3)[:8], OTHERS)
    assert not verdict.stop
    assert "among the best 30%" in verdict.reason
    assert verdict_on(power_law(0.3)[:8], OTHERS, keep_share=0.0).facts != {}


def first_wave(curves: list[list[float]], **settings: float) -> Verdict:
    """The verdict on the last of some trials of which none has run to its end."""
    standings = Standings()
    evidence = [running(standings, *each) for each in enumerate(curves)][-1]
    policy = PredictivePolicy(objective=MINIMIZE, **settings)  # type: ignore[arg-type]
    verdict = policy.judge(evidence)
    assert policy.ends(evidence) == verdict.stop
    return verdict


LEADERS = [power_law(final) for final in (0.1, 0.2, 0.3)]


def test_before_a_trial_has_run_to_its_end_the_pace_decides() -> None:
    stuck = [2.0, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9]
    verdict = first_wave([*LEADERS, stuck])
    assert verdict.stop
    assert verdict.setters == (0,)
    assert verdict.threshold == pytest.approx(LEADERS[0][6])
    assert verdict.facts["gain_needed"] > verdict.facts["gain_expected"]
    assert (
        "behind trial 0, which leads at this report, and at its own" in verdict.reason
    )
    assert verdict.reason.endswith("no trial has run to its end yet.")
    close = [loss + 0.05 for loss in LEADERS[2][:7]]
    kept = first_wave([*LEADERS, close])
    assert not kept.stop
    assert kept.facts["gain_needed"] < kept.facts["gain_expected"]


@pytest.mark.parametrize("stuck", [[1.9] * 5, [math.nan] * 5])
def test_the_first_trials_have_some_reports_and_some_company(
    stuck: list[float],
) -> None:
    assert not first_wave([*LEADERS, stuck]).stop
    assert first_wave([*LEADERS, [*stuck, stuck[0]]]).stop
    assert not first_wave([LEADERS[0], [*stuck, stuck[0]]]).stop


def test_the_better_half_of_the_first_trials_continues() -> None:
    slow = [[1.9] * 7, [1.8] * 7]
    verdict = first_wave([*LEADERS[:2], *slow, [1.9] * 7, [1.7] * 7])
    assert not verdict.stop
    assert "no trial has run to its end yet" in verdict.reason


def test_noise_in_the_first_trials_is_not_taken_for_a_gap() -> None:
    rng = np.random.default_rng(5)
    noise = 0.3 * rng.standard_normal((4, 12))
    flat = [[1.0 + float(x) for x in row] for row in noise]
    assert not any(
        first_wave([*flat[:place], *flat[place + 1 :], flat[place]]).stop
        for place in range(4)
    )


def test_a_trial_as_long_as_the_longest_is_not_ended() -> None:
    assert verdict_on(power_law(1.2)[: REPORTS - 1], OTHERS).stop
    last = verdict_on(power_law(1.2), OTHERS)
    assert not last.stop
    assert "no trial that ran to its end has more reports" in last.reason


def test_the_last_ranks_need_a_better_chance() -> None:
    """The same curve beside better and beside worse running trials."""
    curve = power_law(0.75)[:5]
    asked = {}
    for beside in (-0.01, 2.0):
        standings = Standings()
        for number, other in enumerate(OTHERS):
            finished(standings, number, other)
        for number in range(13, 40):
            running(standings, number, [loss + beside for loss in curve])
        evidence = running(standings, 99, curve)
        policy = PredictivePolicy(objective=MINIMIZE, keep_share=0.1)
        facts = policy.judge(evidence).facts
        asked[beside] = facts["chance_asked"], facts["chance"]
    assert asked[-0.01][0] > 0.2 > 0.13 > asked[2.0][0]
    assert asked[-0.01][1] == asked[2.0][1]


def test_a_chance_of_zero_ends_no_trial() -> None:
    assert not verdict_on(power_law(1.2)[:8], OTHERS, chance=0).stop
    assert not first_wave([*LEADERS, [1.9] * 7], chance=0).stop


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
            for final in np.linspace(0.31, 1.51, 7)
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


def test_noisy_curves_that_end_in_nothing_finite_predict_nothing() -> None:
    rng = np.random.default_rng(1)
    others = [
        [*(float(x) for x in 1 + rng.standard_normal(6)), *[math.nan] * 6]
        for _ in range(3)
    ]
    verdict = verdict_on([5.0, 5.0, 5.0, 5.0], others)
    assert not verdict.stop and "nan" not in verdict.reason


def test_one_trial_with_a_start_that_was_not_finite_gives_a_chance_all_the_same() -> (
    None
):
    verdict = verdict_on([3.0, 2.9, 2.9, 2.9], [[math.nan, *power_law(0.2)]])
    assert "nan" not in verdict.reason
