"""Trainings with very many reports and verdicts: their page reads what it shows."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from django.test import Client

from experiments.models import Decision
from experiments.pages.curves import groups_of, points_of
from experiments.pages.trial.threshold import threshold_model
from experiments.tracking.verdicts import checks_of, verdict_sample
from tests import factories
from tests.pages.clients import page
from tests.pages.trial.trial_pages import MEDIAN

pytestmark = pytest.mark.django_db


def test_a_long_curve_keeps_its_peaks_its_gaps_and_its_end() -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    values = [0.5] * 2_000
    values[777], values[1_111] = 9.0, -9.0
    values[1_300:1_400] = [math.nan] * 100
    values[1_500], values[-1] = math.inf, 0.25
    factories.report(trial, values, name="loss")
    (group,) = groups_of(list(trial.current_attempt.metrics.filter(name="loss")))  # type: ignore[union-attr]
    (points,) = points_of(group.metrics).values()
    steps = [step for step, _ in points]
    assert steps == sorted(set(steps))
    drawn = {value for _, value in points}
    assert drawn == {0.5, 9.0, -9.0, 0.25, None}
    assert all(
        1_286 <= step < 1_400 for step, value in points if value is None and step
    )
    peak = next(step for step, value in points if value == 9.0)
    assert abs(peak - 777) <= 2_000 / 150
    assert points[-1] == [1_999, 0.25]


def test_a_long_curve_shows_only_what_was_reported_where_it_was() -> None:
    """One that falls all the time is drawn as one that falls all the time."""
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    values = [10 * math.exp(-k / 40) for k in range(1_000)]
    factories.report(trial, values, name="loss")
    metrics = list(trial.current_attempt.metrics.filter(name="loss"))  # type: ignore[union-attr]
    (points,) = points_of(metrics).values()
    assert 200 < len(points) <= 302
    assert points[0] == [0, 10.0] and points[-1] == [999, values[-1]]
    assert [values[int(step or 0)] for step, _ in points] == [v for _, v in points]
    assert all(later < earlier for (_, earlier), (_, later) in pairwise(points))


def test_metrics_of_different_lengths_share_a_picture() -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    factories.report(trial, [k / 1_000 for k in range(1_000)], name="loss")
    factories.report(trial, [0.1, 0.2], name="val_loss")
    metrics = trial.current_attempt.metrics.exclude(name="accuracy")  # type: ignore[union-attr]
    (group,) = groups_of(list(metrics.order_by("name")))
    long, short = points_of(group.metrics).values()
    assert long[0] == [0, 0.0] and long[-1] == [999, 0.999]
    assert short == [[0, 0.1], [1, 0.2]]


def test_a_metric_without_points_has_an_empty_curve() -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    factories.report(trial, [0.1] * 400, name="loss")
    empty = trial.current_attempt.metrics.create(name="val_loss")  # type: ignore[union-attr]
    metrics = [*trial.current_attempt.metrics.filter(name="loss"), empty]  # type: ignore[union-attr]
    assert points_of(metrics)[empty.pk] == []


def test_the_chart_of_a_long_training_shows_its_worst_report() -> None:
    sweep = factories.sweep(factories.team())
    values = [0.5] * 700
    values[333] = -3.0
    values[334] = 0.9
    trial = factories.reported_trial(sweep, values)
    model = threshold_model(trial, (), policy="", unjudged=0)
    assert {value for _, value in model["reports"]} == {0.5, -3.0, 0.9}
    assert model["reports"][0] == [1, 0.5] and model["reports"][-1] == [700, 0.5]
    bests = dict(map(tuple, model["best"]))
    assert bests[700] == 0.9
    assert list(bests) == [n for n, _ in model["reports"]]
    assert len(model["reports"]) <= 302


@pytest.fixture
def few_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.tracking.verdicts.MAX_READ", 40)


@pytest.mark.usefixtures("few_verdicts")
def test_of_very_many_verdicts_the_telling_ones_are_read(ada: Client) -> None:
    """Of 199: the first, the last ones, the closest and an even spread."""
    document = factories.definition_document(early_termination=MEDIAN)
    sweep = factories.sweep(factories.team(), document=document)
    factories.reported_trial(sweep, [0.1] * 200, state="completed")
    trial = factories.reported_trial(sweep, [0.5] * 200)
    own = Decision.objects.filter(trial=trial)
    assert own.count() == 199
    own.filter(n=77).update(value=0.11)
    sample = verdict_sample(trial.current_attempt, sweep.objective)
    numbers = [decision.n for decision in sample.decisions]
    assert (sample.count, sample.passed) == (199, 199)
    assert numbers == sorted(set(numbers)) and 77 in numbers
    assert numbers[0] == 2 and numbers[-20:] == list(range(181, 201))
    assert 30 <= len(numbers) <= 60
    assert max(b - a for a, b in pairwise(numbers)) <= 10

    text = page(ada, f"{trial.get_absolute_url()}?decisions=all")
    assert f"These are {len(numbers)} of 199 checks" in text
    assert "199 checks passed; it was closest at report 77" in text
    assert f"Show {len(numbers)} of the 199 checks" in page(
        ada, trial.get_absolute_url()
    )


@pytest.mark.usefixtures("few_verdicts")
def test_the_last_verdicts_are_read_however_often_the_policy_looked() -> None:
    """Its interval may be changed while a trial runs."""
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    numbers = [*range(1, 301), *range(1_300, 31_000, 1_000)]
    Decision.objects.bulk_create(
        Decision(
            **{"trial": trial, "attempt": trial.current_attempt, "n": n, "rivals": 1},
            **{"policy": "bandit", "value": 0.5, "threshold": 0.4, "stop": False},
        )
        for n in numbers
    )
    sample = verdict_sample(trial.current_attempt, sweep.objective)
    read = [decision.n for decision in sample.decisions]
    assert read[-20:] == numbers[-20:] and read[0] == 1
    assert 35 <= len(read) <= 65
    places = [numbers.index(n) for n in read]
    assert max(b - a for a, b in pairwise(places)) <= 17


@pytest.mark.usefixtures("few_verdicts")
def test_the_closest_of_very_many_chances_is_read() -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5] * 100)
    Decision.objects.bulk_create(
        Decision(
            **{"trial": trial, "attempt": trial.current_attempt, "n": n, "rivals": 1},
            **{"policy": "predictive", "stop": n == 100, "reason": "r"},
            facts={"chance": 0.5 if n != 33 else 0.06 + 1e-9},
        )
        for n in range(1, 101)
    )
    sample = verdict_sample(trial.current_attempt, sweep.objective)
    checks = checks_of(sample.decisions, sweep.objective, passed=sample.passed)
    assert checks.closest is not None and checks.closest.n == 33
    assert checks.passed == 99
    assert checks.ended is not None and checks.ended.n == 100
