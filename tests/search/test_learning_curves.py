from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.search.learning_curves import (
    Repeats,
    is_significant,
    levels_of,
    noise_of,
    noises_of,
    variety_of,
    window_for,
)
from experiments.search.study import Study


def test_a_level_is_the_best_so_far() -> None:
    losses = np.array([math.inf, 3.0, 4.0, 2.0, 5.0])
    assert levels_of(losses).tolist() == [math.inf, 3.0, 3.0, 2.0, 2.0]


def test_a_smoothed_level_is_an_average_of_at_most_half_of_the_reports() -> None:
    losses = np.array([4.0, 2.0, 6.0, 0.0, math.inf, 2.0])
    # Over 1, 1, 2, 2, 2 and 2 reports; from the third on the lowest counts.
    assert levels_of(losses, 2).tolist() == [4.0, 2.0, 2.0, 2.0, 0.0, 0.0]
    assert levels_of(losses, 4).tolist()[:4] == [4.0, 2.0, 4.0, 3.0]


def test_noise_is_told_from_bends() -> None:
    """A straight line with noise of 0.1: 400 second differences put the estimate
    within a fifth of it, but for one seed in thousands."""
    rng = np.random.default_rng(1)
    losses = np.linspace(1, 0, 800) + 0.1 * rng.standard_normal(800)
    assert noise_of(losses) == pytest.approx(0.1, rel=0.2)
    assert noise_of(np.linspace(1, 0, 40)) == pytest.approx(0, abs=1e-12)
    assert noise_of(losses[:5]) is None


def test_the_window_grows_with_the_noise() -> None:
    windows = [window_for(noise, 1.0) for noise in (0.0, 0.05, 0.06, 0.1, 0.2, 5.0)]
    assert windows == [1, 1, 2, 4, 16, 25]
    assert window_for(0.1, 0.0) == 25 and window_for(0.0, 0.0) == 1


def test_many_curves_are_read_as_each_alone() -> None:
    rng = np.random.default_rng(2)
    curves = rng.standard_normal((5, 20))
    curves[1, 3] = curves[4, -1] = math.inf
    for window in (1, 4, 25):
        alone = [levels_of(curve, window) for curve in curves]
        assert levels_of(curves, window).tolist() == [a.tolist() for a in alone]
    assert sorted(noises_of(curves)) == sorted(
        noise for curve in curves if (noise := noise_of(curve)) is not None
    )
    assert noises_of(curves[:, :5]) == []


RNG = np.random.default_rng(5)


def curves(count: int, reports: int = 20) -> list[np.ndarray]:
    return [np.sort(RNG.random(reports))[::-1].copy() for _ in range(count)]


def repeats_among(found: list[np.ndarray]) -> Repeats:
    return Repeats(np.arange(10, 10 + len(found)), found)


def test_a_trial_that_begins_like_a_finished_one_repeats_it() -> None:
    finished = curves(5)
    repeats = repeats_among([*finished, finished[0]])
    assert repeats.fewest == 2
    assert repeats.original(finished[3][:1]) is None
    assert repeats.original(finished[3][:2]) == 13
    assert repeats.original(finished[3]) == 13


def test_one_different_report_is_enough_to_be_another_trial() -> None:
    finished = curves(5)
    other = finished[3][:8].copy()
    other[2] += 1e-15
    repeats = repeats_among([*finished, finished[0]])
    assert repeats.original(other) is None
    assert repeats.original(finished[3][:8]) == 13


def test_what_begins_alike_has_been_seen_to_end_alike() -> None:
    finished = curves(5)
    assert repeats_among(finished).original(finished[3][:8]) is None
    late = finished[0].copy()
    late[12:] /= 2
    assert repeats_among([*finished, late]).original(finished[3][:8]) is None
    both = repeats_among([*finished, finished[1], late])
    assert both.original(finished[3][:8]) is None


def test_a_parameter_that_acts_late_ends_no_trial_as_a_repeat() -> None:
    study = rounding_study("predictive")
    for factor in (1.0, 0.5, 1.0, 0.7, 1.0):
        trial = study.ask()
        assert trial is not None
        for step in range(1, 13):
            value = (2 + 1 / step) * (factor if step > 6 else 1)
            verdict = study.report(trial.number, step=step, value=value)
            assert "its reports are equal" not in verdict.reason
        study.tell(trial.number)
    study.ask()
    assert study._history.trainings.tolist() == [-1] * 6


def test_equal_reports_of_a_coarse_metric_may_be_a_coincidence() -> None:
    coarse = [np.round(curve, 1) for curve in curves(8)]
    repeats = repeats_among([*coarse, coarse[1]])
    assert repeats.fewest > 3
    assert repeats.original(coarse[0][:3]) is None


def test_a_metric_that_never_moves_proves_nothing() -> None:
    flat = [np.full(30, 0.1) for _ in range(4)]
    assert repeats_among(flat).original(flat[0]) is None


def test_without_finished_trials_nothing_is_repeated() -> None:
    assert repeats_among([]).original(np.array([0.5, 0.4, 0.3])) is None


@pytest.mark.parametrize(
    ("values", "variety"),
    [([], 1.0), ([3, 3, 3], 1.0), ([1, 2, 3, 4], 4.0), ([1, 1, 2, 2], 2.0)],
)
def test_variety_counts_different_values(values: list[float], variety: float) -> None:
    assert variety_of([np.array(values, float)]) == pytest.approx(variety)


def test_surely_grows_with_the_number_of_equal_reports() -> None:
    assert not is_significant(1, trials=10, variety=100)
    assert is_significant(3, trials=10, variety=100)


def rounding_study(policy: str | None) -> Study:
    """Of a script that knows only four different values of its parameter."""
    return Study(
        search_space={"x": {"type": "uniform", "min_value": 0, "max_value": 4}},
        sampling_algorithm={"type": "bayesian", "seed": 3},
        objective={"primary_metric": "loss", "goal": "minimize"},
        early_termination=policy,
    )


def train(study: Study, trial_number: int, x: float, reports: int = 12) -> int:
    """How often the trial reported until its end."""
    place = int(x)
    for step in range(1, reports + 1):
        value = 1 + place / 10 + (2 + place / 7) / (step + place / 3)
        if study.report(trial_number, step=step, value=value).stop:
            study.tell(trial_number, state="terminated")
            return step
    study.tell(trial_number)
    return reports


def test_repeats_end_at_once_and_send_the_sampler_elsewhere() -> None:
    study = rounding_study("predictive")
    lengths, origins = [], []
    for _ in range(30):
        trial = study.ask()
        assert trial is not None
        lengths.append(train(study, trial.number, float(trial.params["x"])))  # type: ignore[arg-type]
        origins.append(trial.origin)
    assert lengths.count(12) <= 5
    assert sum(lengths[15:]) < 15 * 5
    assert origins[8:].count("exploration") > 10
    assert study.best is not None and int(study.best.params["x"]) == 0  # type: ignore[call-overload]


def test_the_reason_names_the_trial_that_is_repeated() -> None:
    study = rounding_study("predictive")
    first = [study.ask() for _ in range(4)]
    for trial, x in zip(first, (0.5, 0.7, 1.5, 2.5), strict=True):
        assert trial is not None
        train(study, trial.number, x)
    again = study.ask()
    assert again is not None
    for step in range(1, 5):
        verdict = study.report(again.number, step=step, value=1 + 2 / step)
        assert verdict.stop == (step == 4)
    assert verdict.setters == (0,)
    assert "its reports are equal to those of trial 0" in verdict.reason
    assert verdict.facts == {"equal_reports": 4.0}
