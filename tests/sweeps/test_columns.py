"""Columns for browsers: the whole, what changed since a mark, and a fair sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments.db.clock import database_now
from experiments.models import Run, Sweep, Trial
from experiments.sweeps import columns
from experiments.sweeps.columns import sweep_columns
from experiments.sweeps.parameter_columns import rounded
from tests import factories

pytestmark = pytest.mark.django_db


def answer(made: Sweep, since: str = "") -> dict[str, Any]:
    now = database_now().timestamp()
    made.refresh_from_db()
    return sweep_columns(made).answer(since, now=now, planned=4)


def long_ago(made: Sweep) -> None:
    """All that exists changed longer ago than marks overlap."""
    old = "2026-01-01T00:00:00Z"
    made.trials.update(updated_at=old)
    Sweep.objects.filter(pk=made.pk).update(updated_at=old)


def test_rows_are_columns_with_codes_and_nulls() -> None:
    made = factories.conditional_sweep()
    sgd = {"lr": 0.0123456789, "optimizer": "sgd", "momentum": 0.9}
    factories.trial(made, state="completed", value=0.5, elapsed=60.0, params=sgd)
    factories.trial(made, params={"lr": 0.9, "optimizer": "adamw"})
    found = answer(made)
    assert found["whole"] and found["rows"] == found["total"] == 2
    assert found["best"] == 0 and found["drawn"] == "All 2 trials."
    cells = found["columns"]
    assert [found["states"][code] for code in cells["state"]] == ["completed", "queued"]
    assert cells["took"][0] == 60.0 and cells["repeats"] == [None, None]
    lr, optimizer, momentum = found["parameters"]
    assert lr["cells"] == [0.01234568, 0.9] and lr["log"]
    # Outside the range, so the axis has room for it.
    assert lr["high"] == 0.9
    assert optimizer["values"] == ["sgd", "adamw"] and optimizer["cells"] == [0, 1]
    assert momentum["parent"] == "optimizer" and np.isnan(momentum["cells"][1])


def test_a_mark_brings_only_what_changed() -> None:
    made = factories.conditional_sweep()
    first, _ = [factories.trial(made, params={"lr": 0.1}) for _ in range(2)]
    long_ago(made)
    mark = answer(made)["mark"]
    assert answer(made, mark)["changed"] is False
    Trial.objects.filter(pk=first.pk).update(updated_at=Now(), value=0.5, reports=1)
    factories.trial(made, params={"lr": 0.2})
    news = answer(made, mark)
    assert not news["whole"] and news["columns"]["number"] == [0, 2]
    assert news["parameters"][0]["cells"] == [0.1, 0.2]
    assert news["total"] == 3


def test_a_deleted_trial_or_a_new_value_brings_the_whole() -> None:
    made = factories.conditional_sweep()
    first, _ = [factories.trial(made, params={"lr": 0.1}) for _ in range(2)]
    mark = answer(made)["mark"]
    first.delete()
    after = answer(made, mark)
    assert after["whole"] and after["columns"]["number"] == [1]
    factories.trial(made, params={"optimizer": "lion"})
    assert answer(made, after["mark"])["whole"]
    assert answer(made, "nonsense~x")["whole"]


def test_tags_are_words() -> None:
    made = factories.conditional_sweep()
    trials = [factories.trial(made) for _ in range(2)]
    tags = {"good": "", "by": "ada", "mlflow.user": "x"}
    Run.objects.create(trial=trials[1], tags=tags)
    assert answer(made)["columns"]["tags"] == [[], ["good", "by", "by=ada"]]


def test_archived_trials_are_not_drawn_unless_one_is_the_best() -> None:
    made = factories.conditional_sweep()
    trials = [factories.trial(made, state="completed", value=v) for v in (0.1, 0.9)]
    mark = answer(made)["mark"]
    made.trials.update(archived_at=Now(), updated_at=Now())
    found = answer(made, mark)
    assert found["whole"] and found["columns"]["number"] == [1] and found["best"] == 1
    assert found["drawn"] == "1 trial. 1 archived, not drawn."
    Trial.objects.filter(pk=trials[0].pk).update(archived_at=None, updated_at=Now())
    found = answer(made, found["mark"])
    assert found["columns"]["number"] == [0, 1]
    # One comes back while another goes: as many as before.
    third = factories.trial(made, state="completed", value=0.2)
    mark = answer(made)["mark"]
    swap = {"archived_at": Now(), "updated_at": Now()}
    Trial.objects.filter(pk=third.pk).update(**swap)
    found = answer(made, mark)
    assert found["whole"] and found["columns"]["number"] == [0, 1]
    Trial.objects.filter(pk=third.pk).update(archived_at=None, updated_at=Now())
    Trial.objects.filter(pk=trials[0].pk).update(**swap)
    found = answer(made, found["mark"])
    assert found["whole"] and found["columns"]["number"] == [1, 2]


def test_failed_trials_are_never_the_best() -> None:
    made = factories.conditional_sweep()
    factories.trial(made, state="failed", value=0.9, params={"lr": 0.1})
    assert answer(made)["best"] is None
    factories.trial(made, state="cancelled", value=0.1, params={"lr": 0.1})
    assert answer(made)["best"] == 1
    Sweep.objects.filter(pk=made.pk).update(state="failed")
    assert answer(made)["best"] is None


def test_many_trials_are_a_fair_sample_with_the_best_and_those_that_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "MAX_ROWS", 50)
    monkeypatch.setattr(columns, "BEST_ROWS", 3)
    made = factories.conditional_sweep()
    trials = [
        Trial(
            experiment_id=made.experiment_id,
            sweep=made,
            number=number,
            state="running" if number == 7 else "completed",
            value=number / 200,
            params={"lr": 0.001 + number / 1000},
        )
        for number in range(200)
    ]
    Trial.objects.bulk_create(trials)
    found = answer(made)
    numbers = found["columns"]["number"]
    assert {7, 197, 198, 199} <= set(numbers) and 40 <= len(numbers) <= 60
    assert sum(found["weights"]) == pytest.approx(200, abs=0.1)
    assert abs(np.mean(numbers) - 100) < 15
    assert found["drawn"].endswith("of 200 trials, with the best 3 and all that run.")
    assert answer(made, found["mark"])["whole"] is False


def test_parameters_are_made_anew_only_if_they_change() -> None:
    made = factories.conditional_sweep()
    first = factories.trial(made, params={"lr": 0.1})
    before = sweep_columns(made).parameters
    now = {"updated_at": timezone.now()}
    made.trials.filter(pk=first.pk).update(value=0.5, state="completed", **now)
    after = sweep_columns(made)
    assert after.parameters is before and after.best == first.number
    factories.trial(made, params={"lr": 0.2})
    assert len(sweep_columns(made).parameters[0].cells) == 2


def test_the_number_of_queries_does_not_grow() -> None:
    made = factories.conditional_sweep()
    for number in range(30):
        factories.trial(made, params={"lr": number / 100 + 0.01})
        if number in (0, 29):
            made.refresh_from_db()
            with CaptureQueriesContext(connection) as queries:
                sweep_columns(made)
            assert len(queries) <= 4


def test_numbers_are_rounded_to_short_text() -> None:
    values = np.array([0.1 + 0.2, 1 / 3, 123456789.0, -2e-9, 0.0, np.nan])
    texts = [repr(value) for value in rounded(values).tolist()]
    assert texts == ["0.3", "0.3333333", "123456800.0", "-2e-09", "0.0", "nan"]
