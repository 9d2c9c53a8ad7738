"""Filters of a sweep's trials, and their order and groups."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from experiments.models import Attempt, Metric, Run, Sweep, Trial
from experiments.search.filters.lexer import FilterError
from experiments.sweeps.trial_data import MAX_METRIC_COLUMNS
from experiments.sweeps.trial_filters import (
    TrialFilters,
    number_ranges,
    numbers_matching,
)
from experiments.sweeps.trial_order import (
    TrialGroups,
    TrialSort,
    group_keys,
    sorted_places,
)
from tests import factories

pytestmark = pytest.mark.django_db

SPACE = {
    "lr": {"type": "loguniform", "min_value": -9.2, "max_value": -2.3},
    "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
    "seed": {"type": "choice", "values": [1, 2, 3]},
    "value": {"type": "uniform", "min_value": 0, "max_value": 1},
}
TRIALS: list[tuple[str, float | None, dict[str, Any]]] = [
    ("completed", 0.5, {"lr": 0.1, "optimizer": "sgd", "seed": 1, "value": 0.9}),
    ("completed", 0.7, {"lr": 0.1, "optimizer": "sgd", "seed": 2, "value": 0.9}),
    ("terminated", 0.9, {"lr": 0.001, "optimizer": "adam", "seed": 1, "value": 0.1}),
    ("failed", 0.95, {"lr": 0.02, "optimizer": "adam", "seed": 3, "value": 0.2}),
    ("running", None, {"lr": 0.003, "optimizer": "adam", "seed": 2}),
]


@pytest.fixture
def sweep() -> Sweep:
    document = factories.definition_document(search_space=SPACE)
    document["trial"] = {"command": "python train.py"}
    sweep = factories.sweep(factories.team(), document=document)
    for state, value, params in TRIALS:
        factories.trial(sweep, state=state, value=value, params=params)
    return sweep


def trial(sweep: Sweep, number: int) -> Trial:
    return sweep.trials.select_related("current_attempt").get(number=number)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("lr < 0.01 and optimizer = adam", [2, 4]),
        ("accuracy >= 0.7", [1, 2, 3]),
        ("value > 0.6 and not failed", [1, 2]),
        ("param.value < 0.5", [2, 3]),
        ("not_set(param.value)", [4]),
        ("rank <= 2", [1, 2]),
        ("best", [2]),
        ("ended and state != failed", [0, 1, 2]),
        ("running or terminated", [2, 4]),
    ],
)
def test_trials_by_facts_and_parameters(
    sweep: Sweep, text: str, numbers: list[int]
) -> None:
    assert numbers_matching(sweep, text) == numbers


def test_metrics_of_the_last_attempt(sweep: Sweep) -> None:
    for number, last in ((0, 1.0), (1, 3.0)):
        attempt = Attempt.objects.create(trial=trial(sweep, number), n=2)
        Trial.objects.filter(sweep=sweep, number=number).update(
            current_attempt=attempt, reports=1
        )
        Metric.objects.create(
            attempt=attempt, name="val/loss", count=2, last_value=last, low=0.5, high=9
        )
    assert numbers_matching(sweep, "val/loss < 2") == [0]
    assert numbers_matching(sweep, "metric.val/loss.min = 0.5") == [0, 1]
    with pytest.raises(FilterError, match=r"Only accuracy has a best value"):
        numbers_matching(sweep, "val/loss.best < 1")


def test_metrics_of_running_trials_are_read_again_after_seconds(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = Attempt.objects.create(trial=trial(sweep, 4), n=2)
    sweep.trials.filter(number=4).update(current_attempt=attempt, reports=1)
    numbers = {"count": 1, "low": 1, "high": 1}
    row = Metric.objects.create(attempt=attempt, name="l", last_value=1, **numbers)
    assert numbers_matching(sweep, "l > 1") == []
    # Without a change of the trial.
    Metric.objects.filter(pk=row.pk).update(last_value=2)
    Metric.objects.create(attempt=attempt, name="new", last_value=2, **numbers)
    later = time.monotonic() + 6
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert numbers_matching(sweep, "l > 1") == [4]
    assert numbers_matching(sweep, "new > 1") == [4]


def test_few_columns_of_metrics_stay_in_memory(sweep: Sweep) -> None:
    columns = TrialFilters.of(sweep).columns
    for number in range(MAX_METRIC_COLUMNS + 5):
        columns.column(f"m.loss{number}.last")
    kept = [*columns.data.metrics.keys(), *columns.data.extra]
    assert len([key for key in kept if key.startswith("m.")]) == MAX_METRIC_COLUMNS


def test_tags_and_notes(sweep: Sweep) -> None:
    Run.objects.create(
        trial=trial(sweep, 1), tags={"keep": "", "stage": "2"}, note="Looks *good*"
    )
    assert numbers_matching(sweep, "tag = keep") == [1]
    assert numbers_matching(sweep, 'tag = "stage=2"') == [1]
    assert numbers_matching(sweep, "note contains good") == [1]
    assert numbers_matching(sweep, "not note") == [0, 2, 3, 4]


def test_archived_trials_are_left_out_unless_they_are_named(sweep: Sweep) -> None:
    sweep.trials.filter(number__in=[0, 2]).update(
        archived_at=timezone.now(), updated_at=timezone.now()
    )
    assert numbers_matching(sweep, "") == [1, 3, 4]
    assert numbers_matching(sweep, "archived") == [0, 2]
    assert numbers_matching(sweep, "archived or running") == [0, 2, 4]


def test_a_wrong_name_is_refused_with_the_nearest_one(sweep: Sweep) -> None:
    with pytest.raises(FilterError, match="Did you mean optimizer"):
        numbers_matching(sweep, "optimiser = sgd")


def test_age_is_as_of_now(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    assert numbers_matching(sweep, "age < 1h") == [0, 1, 2, 3, 4]
    later = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: later)
    assert numbers_matching(sweep, "age < 1h") == []


def test_ranks_change_when_the_sweep_fails(sweep: Sweep) -> None:
    sweep.trials.filter(number=2).update(state="cancelled")
    assert numbers_matching(sweep, "best") == [2]
    assert numbers_matching(sweep, "rank = 2") == [1]
    sweep.state = "failed"
    assert numbers_matching(sweep, "best") == [1]
    assert numbers_matching(sweep, "rank = 2") == [0]


def test_a_query_count_that_does_not_grow(
    sweep: Sweep, django_assert_max_num_queries: Any
) -> None:
    numbers_matching(sweep, "tag = x and host = y and attempts > 1")
    with django_assert_max_num_queries(3):
        numbers_matching(sweep, "tag = x and host = y and attempts > 1")


def order(sweep: Sweep, *sorts: TrialSort) -> list[int]:
    columns = TrialFilters.of(sweep).columns
    mask = np.ones(columns.size, np.bool_)
    return columns.data.numbers[sorted_places(columns, mask, sorts)].tolist()


def test_several_sorts_and_none_last(sweep: Sweep) -> None:
    by_optimizer = TrialSort("p.optimizer")
    assert order(sweep, by_optimizer, TrialSort("value", True)) == [2, 3, 4, 1, 0]
    assert order(sweep, by_optimizer, TrialSort("p.lr")) == [2, 4, 3, 0, 1]
    assert order(sweep, TrialSort("p.value", True)) == [0, 1, 3, 2, 4]
    assert order(sweep, TrialSort("state")) == [4, 0, 1, 2, 3]


def test_the_value_of_a_failed_trial_comes_last_either_way(sweep: Sweep) -> None:
    assert order(sweep, TrialSort("value")) == [0, 1, 2, 3, 4]
    assert order(sweep, TrialSort("value", True)) == [2, 1, 0, 3, 4]


def test_seeds_of_one_configuration_are_a_group_with_an_interval(sweep: Sweep) -> None:
    columns = TrialFilters.of(sweep).columns
    groups = TrialGroups.among(columns, np.ones(columns.size, np.bool_))
    assert group_keys(columns).tolist() == [0, 0, 2, 3, 4]
    assert groups.counts.tolist() == [2, 1, 1, 1]
    assert groups.mean.tolist()[:2] == pytest.approx([0.6, 0.9])
    # Student's t for one degree of freedom, times the standard error.
    assert groups.interval[0] == pytest.approx(12.706 * 0.1, rel=1e-3)
    assert np.isnan(groups.interval[1])
    assert groups.ordered([TrialSort("value", True)]).tolist()[:2] == [1, 0]
    assert columns.data.numbers[groups.members(0)].tolist() == [0, 1]
    assert groups.states(0) == {"completed": 2}


def test_exact_repeats_count_once_in_a_group(sweep: Sweep) -> None:
    for k in (0, 0, 1, 2):
        state, value, params = TRIALS[k]
        factories.trial(sweep, state=state, value=value, params=params)
    columns = TrialFilters.of(sweep).columns
    groups = TrialGroups.among(columns, np.ones(columns.size, np.bool_))
    assert groups.counts.tolist() == [5, 2, 1, 1]
    assert groups.mean.tolist()[:2] == pytest.approx([0.6, 0.9])
    assert groups.interval[0] == pytest.approx(12.706 * 0.1, rel=1e-3)
    assert np.isnan(groups.interval[1])


def test_ranges_of_numbers() -> None:
    assert number_ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert number_ranges([]) == ""
