"""Survivors of a rung are judged after each report, and some trials always complete."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import ClassVar

import numpy as np
import pytest

from experiments.search.standings import Standings
from experiments.search.study import Study
from experiments.search.termination import make_policy
from experiments.search.termination.evidence import Verdict
from tests.search.termination.policy_contract import MINIMIZE, PolicyContract
from tests.search.termination.scanned import judged

REPORTS = 30
POLICY = {"type": "predictive_halving"}


class TestPredictiveHalving(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = POLICY
    checks: ClassVar[Collection[int]] = range(3, 1000)


def verdict(
    own: list[float],
    others: Mapping[int, list[float]],
    *,
    number: int = 50,
    completed: Collection[int] = (),
) -> Verdict:
    policy = make_policy(POLICY, MINIMIZE)
    assert policy is not None
    ended = [n for n in others if n not in completed]
    return judged(
        policy, own, others, number=number, ended=ended, completed=[*completed]
    )


def flat(*levels: float, reports: int = 3) -> dict[int, list[float]]:
    return {n: [level] * reports for n, level in enumerate(levels)}


def test_at_a_rung_only_the_best_third_continues() -> None:
    others = flat(*[0.1, 0.2, 0.3, 0.4, 0.5])
    found = verdict([0.25] * 3, others)
    assert found.stop and found.threshold == 0.2 and found.setters == (1,)
    assert found.reason == (
        "Ended after report 3: its best 0.25 was above 0.2, the best of trial 1: the"
        " last of the best 2 of the 5 others at this report; one in 3 continues."
    )
    assert not verdict([0.15] * 3, others).stop


def test_of_equal_trials_half_count_as_better_unless_they_lead() -> None:
    plateau = flat(0.1, *[0.9] * 8)
    assert verdict([0.9] * 3, plateau).stop
    assert not verdict([0.9] * 3, flat(*[0.9] * 9)).stop


def test_trials_without_a_value_do_not_end_each_other_but_others_end_them() -> None:
    silent = [math.nan] * 3
    assert not verdict(silent, dict.fromkeys(range(9), silent)).stop
    found = verdict(silent, flat(*[0.5] * 9))
    assert found.stop and "no finite value against 0.5" in found.reason


def test_between_rungs_a_trial_ends_if_the_rung_before_was_better() -> None:
    others = flat(*[0.1, 0.2, 0.3, 0.4, 0.5])
    # The first trials pass a rung without rivals.
    found = verdict([0.6, 0.5, 0.45, 0.4, 0.35], others)
    assert found.stop and found.facts == {"rung": 3.0}
    assert "at report 3: the last of the best 2 of 5 others there" in found.reason
    assert not verdict([0.6, 0.5, 0.45, 0.4, 0.2], others).stop
    assert not verdict([0.6, 0.5, 0.45, 0.4, 0.35], flat(0.1, 0.2, 0.3)).stop


def test_a_record_passes_whatever_its_rank() -> None:
    earlier = flat(*[0.1] * 20, *[0.9] * 8)
    found = verdict([0.5] * 3, earlier)
    assert not found.stop and found.facts == {"rung": 3.0, "record": 8.0}
    assert found.reason == (
        "Kept at report 3 with 0.5: at report 3 it was better than the 8 trials before"
        " it, so it continues to report 9."
    )
    # It had to be better than nothing there; later it passes a comparison.
    assert found.threshold is None
    later = verdict([0.5] * 3 + [0.05] * 2, earlier)
    assert not later.stop and later.threshold == 0.1 and "record" in later.facts
    assert verdict([0.5] * 3, flat(*[0.1] * 20, 0.4, *[0.9] * 7)).stop
    # Trials with higher numbers make no record.
    assert verdict([0.5] * 3, earlier, number=-1).stop


def falling(final: float, reports: int = REPORTS) -> list[float]:
    return [final + 2.0 / n for n in range(1, reports + 1)]


def test_the_forecast_ends_a_trial_that_is_unlikely_to_win() -> None:
    others = {5 - n: falling(0.1 * n) for n in range(6)}
    own = [*falling(0.05, 9), *[0.05 + 2 / 9] * 3]
    found = verdict(own, others, completed=range(6))
    assert found.stop and found.threshold == pytest.approx(2 / REPORTS)
    assert found.facts["chance"] < found.facts["chance_asked"] == 0.3
    assert found.facts["gain_needed"] > found.facts["gain_expected"]
    assert "That is a chance of" in found.reason
    assert found.reason.endswith("and 30% was required.")
    kept = verdict(falling(-0.2, 12), others, number=-1, completed=range(6))
    assert not kept.stop and kept.facts["chance"] > 0.3
    # One completed trial says too little.
    assert not verdict(own, {0: falling(0.0)}, completed=[0]).stop


@pytest.mark.parametrize(
    ("kind", "trials", "late"),
    [("random", 210, 0.0), ("random", 210, 0.5), ("bayesian", 60, 0.5)],
)
def test_trials_complete_throughout_a_sweep_and_none_is_asked_twice(
    kind: str, trials: int, late: float
) -> None:
    """Whatever is predicted, and where curves take off late."""
    study = Study(
        search_space={"x": {"type": "float", "low": 0, "high": 1}},
        sampling_algorithm={"type": kind, "seed": 3},
        objective={"primary_metric": "loss", "goal": "minimize"},
        early_termination=POLICY,
    )
    rng = np.random.default_rng(5)
    completed = []
    for _ in range(trials):
        trial = study.ask()
        assert trial is not None
        x = trial.params["x"]
        assert isinstance(x, float)
        takes_off = int(rng.integers(1, 15)) if rng.random() < late else 0
        for n in range(1, REPORTS + 1):
            done = max(0, n - takes_off)
            loss = (x - 0.3) ** 2 + 1 / (1 + done) + 0.01 * rng.standard_normal()
            if study.report(trial.number, step=n, value=loss).stop:
                study.tell(trial.number, state="terminated")
                break
        else:
            study.tell(trial.number)
            completed.append(trial.number)
    parts = np.histogram(completed, bins=trials // 60, range=(0, trials))[0]
    assert parts.min() >= 1 and len(completed) < trials / 4
    assert len({str(trial.params) for trial in study.trials}) == trials


def test_a_rival_at_an_earlier_report_is_seen_as_it_was_then() -> None:
    standings = Standings(lambda report: report != 2)
    for number, losses in enumerate([[0.5, 0.4, 0.1], [0.6, 0.2], [0.7, 0.3, 0.3]]):
        standings.start(number)
        found = [standings.report(number, loss) for loss in losses]
    evidence = found[-1]
    assert evidence is not None
    for report, bests in ((1, [0.6, 0.5]), (2, [0.2, 0.4]), (3, [0.1])):
        there = evidence.rivals_at(report)
        assert [each.loss for each in there.before(5)] == bests
        assert [each.loss for each in there.before(1)] == bests[:1]
        assert len(there) == len(bests)
    assert evidence.rivals_at(1).better_than(0.55) == 1
