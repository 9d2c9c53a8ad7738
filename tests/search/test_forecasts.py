"""Predictions from finished learning curves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.search.forecasts import (
    Cut,
    GainModel,
    cut_of,
    forecast_finals,
    gain_model_of,
)
from experiments.search.standings import Standings
from experiments.search.study import Study
from tests.search.termination.test_predictive import OTHERS, finished, power_law


def expected_final(cut: Cut, known: GainModel) -> tuple[float, float] | None:
    return forecast_finals([cut], known)[0]


def gain_model(curves: list[list[float]]) -> GainModel:
    standings = Standings()
    for number, curve in enumerate(curves):
        finished(standings, number, curve)
    return gain_model_of(standings.finished(-1))


@pytest.mark.parametrize("report", [3, 6, 12, 19])
def test_the_final_loss_of_a_familiar_curve_is_foreseen(report: int) -> None:
    curve = power_law(0.5)
    found = expected_final(cut_of(np.array(curve[:report])), gain_model(OTHERS))
    assert found is not None
    expected, spread = found
    assert abs(expected - 0.5) < max(2 * spread, 0.02)
    assert expected <= curve[report - 1]


def test_it_becomes_surer_with_reports_and_is_certain_at_the_end() -> None:
    known, curve = gain_model(OTHERS), np.array(power_law(0.51))
    spreads = [expected_final(cut_of(curve[:n]), known) for n in (1, 3, 12, 20)]
    assert all(found is not None for found in spreads)
    sure = [found[1] for found in spreads if found is not None]
    assert sure[1] > sure[2] > sure[3] == 0.0


def test_nothing_is_foreseen_without_values_or_finished_trials() -> None:
    assert expected_final(cut_of(np.array([math.inf])), gain_model(OTHERS)) is None
    assert expected_final(cut_of(np.array([1.0, 0.9])), gain_model([])) is None


def test_a_study_tells_its_sampler_what_is_expected_of_an_ended_trial() -> None:
    study = Study(
        search_space={"x": "uniform(0, 1)"},
        sampling_algorithm={"type": "bayesian", "seed": 1},
        objective={"primary_metric": "loss", "goal": "minimize"},
    )
    for curve, state in [*((c, "completed") for c in OTHERS), (power_law(0.5), "")]:
        trial = study.ask()
        assert trial is not None
        for step, loss in enumerate(curve if state else curve[:8]):
            study.report(trial.number, step=step, value=loss)
        study.tell(trial.number, state=state or "terminated")
    study.ask()
    expected = study._history.expected
    assert np.isnan(expected[:-2]).all() and np.isnan(expected[-1])
    assert abs(expected[-2] - 0.5) < 0.1 < study._history.losses[-2] - 0.5


def test_many_are_foreseen_as_each_alone() -> None:
    known = gain_model(OTHERS)
    cuts = [cut_of(np.array(power_law(f)[:n])) for f in (0.3, 0.9) for n in (1, 4, 9)]
    together = forecast_finals(cuts, known)
    for cut, found in zip(cuts, together, strict=True):
        assert found == pytest.approx(expected_final(cut, known))


def test_nothing_is_foreseen_from_first_reports_that_were_not_finite() -> None:
    known = gain_model([[math.nan, 0.5, 0.4]])
    assert expected_final(cut_of(np.array([0.9])), known) is None
    assert math.isfinite(known.eps)
    found = expected_final(cut_of(np.array([0.9, 0.6])), known)
    assert found is None or math.isfinite(found[0])
