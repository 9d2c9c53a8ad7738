"""The arrays of a sweep's trials stay the same as the rows of the database."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from experiments.models import Trial
from experiments.sweeps.trial_data import STATES, TrialData, trial_data
from tests import factories

pytestmark = pytest.mark.django_db


def changed(trial: Trial, **fields: Any) -> None:
    Trial.objects.filter(pk=trial.pk).update(updated_at=Now(), **fields)


def states_of(data: TrialData) -> list[str]:
    return [STATES[code] for code in data.states]


def test_numbers_choices_and_parameters_that_are_not_set() -> None:
    made = factories.conditional_sweep()
    sgd = {"lr": 0.01, "optimizer": "sgd", "momentum": 0.9}
    factories.trial(made, state="completed", value=0.5, elapsed=60.0, params=sgd)
    factories.trial(made, params={"lr": 0.02, "optimizer": "adamw"})
    data = trial_data(made)
    assert data.numbers.tolist() == [0, 1]
    assert states_of(data) == ["completed", "queued"]
    assert data.value[0] == 0.5 and np.isnan(data.value[1])
    assert data.took[0] == 60.0 and np.isnan(data.took[1])
    assert data.parameters["lr"].numbers.tolist() == [0.01, 0.02]
    optimizer, momentum = data.parameters["optimizer"], data.parameters["momentum"]
    assert [optimizer.labels[code] for code in optimizer.codes] == ["sgd", "adamw"]
    assert momentum.numbers[0] == 0.9 and np.isnan(momentum.numbers[1])
    assert momentum.codes[1] == -1


def test_changed_new_and_deleted_trials_are_seen() -> None:
    made = factories.conditional_sweep()
    first = factories.trial(made, params={"lr": 0.01, "optimizer": "sgd"})
    assert states_of(trial_data(made)) == ["queued"]
    changed(first, state="completed", value=0.25, reports=3)
    second = factories.trial(made, params={"lr": 0.03, "optimizer": "new"})
    data = trial_data(made)
    assert states_of(data) == ["completed", "queued"]
    assert data.value[0] == 0.25 and data.reports[0] == 3
    column = data.parameters["optimizer"]
    assert column.labels == ("sgd", "adamw", "new") and column.codes.tolist() == [0, 2]
    second.delete()
    assert trial_data(made).numbers.tolist() == [0]


def test_what_has_not_changed_is_not_built_again() -> None:
    made = factories.conditional_sweep()
    first = factories.trial(made, params={"lr": 0.01, "optimizer": "sgd"})
    data = trial_data(made)
    with CaptureQueriesContext(connection) as queries:
        assert trial_data(made) is data
    assert len(queries) <= 3
    changed(first, state="running")
    assert trial_data(made).version > data.version


def test_equal_configurations_form_a_group() -> None:
    made = factories.conditional_sweep()
    params = {"lr": 0.01, "optimizer": "sgd"}
    for origin, source, values in (
        ("random", None, params),
        ("random", None, {"lr": 0.5, "optimizer": "sgd"}),
        ("rerun", 0, params),
    ):
        factories.trial(made, params=values, origin=origin, source_number=source)
    data = trial_data(made)
    assert data.groups.tolist() == [0, 1, 0]
    assert data.repeats.tolist() == [-1, -1, 0]


def test_values_that_are_no_numbers_and_numbers_in_choices() -> None:
    """1, 1.0, true and null are different values of a choice."""
    space = {
        "c": {"type": "choice", "values": [1, 1.0, True, None, "1"]},
        "x": {"type": "uniform", "min_value": 0, "max_value": 1},
    }
    command = {"command": "python train.py --x ${{search_space.x}}"}
    document = factories.definition_document(search_space=space, trial=command)
    made = factories.sweep(factories.team(), document=document)
    for c, x in ((1, 0.5), (1.0, 1), (True, "text"), (None, 10**400), ("1", True)):
        factories.trial(made, params={"c": c, "x": x})
    factories.trial(made, params={"other": 1})
    data = trial_data(made)
    choice, number = data.parameters["c"], data.parameters["x"]
    assert len(set(choice.codes.tolist())) == 6 and choice.codes[5] == -1
    assert np.isnan(choice.numbers[[2, 3, 4, 5]]).all()
    assert choice.numbers[:2].tolist() == [1.0, 1.0]
    assert number.numbers[:2].tolist() == [0.5, 1.0]
    assert np.isnan(number.numbers[2:]).all()
    assert [code >= 0 for code in number.codes] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]
