"""Which of the other trials are drawn beside a judged one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from experiments.models import Attempt, Metric, Trial
from experiments.tracking import codec
from tests import factories
from tests.pages.clients import model, page
from tests.pages.trial.trial_pages import judged_trial

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]


def rivals_of(ada: Client, trial: Trial) -> Any:
    return model(page(ada, trial.get_absolute_url()), "curve-model")["rivals"]


def move_reports(trial: Trial, moment: datetime, *, after: int = 0) -> None:
    """As if its reports after the first few had arrived then."""
    metric = Metric.objects.get(attempt=trial.current_attempt, name="accuracy")
    points = codec.from_tail(metric.tail).copy()
    points["arrived"][after:] = codec.microseconds(moment)
    Metric.objects.filter(pk=metric.pk).update(tail=points.tobytes())


def test_only_what_the_verdict_knew_is_drawn(ada: Client) -> None:
    trial = judged_trial()
    assert trial.sweep is not None
    before = rivals_of(ada, trial)
    verdict = trial.decisions.latest("n").created_at
    # One trial has come further since, and another one began after the verdict.
    slow = factories.reported_trial(trial.sweep, [0.1, 0.2, 0.3])
    Attempt.objects.filter(trial=slow).update(claimed_at=verdict)
    move_reports(slow, verdict)
    move_reports(slow, verdict + timedelta(seconds=1), after=1)
    late = factories.reported_trial(trial.sweep, [0.9, 0.9, 0.9])
    move_reports(late, verdict + timedelta(seconds=1))
    assert rivals_of(ada, trial) == [*before, [[1, 0.1]]]
    words = "as of its last check"
    assert words in page(ada, trial.get_absolute_url())


def test_who_set_the_threshold_is_drawn_though_its_reports_were_taken_over_since(
    ada: Client,
) -> None:
    trial = judged_trial()
    before = rivals_of(ada, trial)
    verdict = trial.decisions.latest("n")
    setter = Trial.objects.get(sweep=trial.sweep_id, number=verdict.setters[0])
    # As if another attempt had gone on from its files.
    move_reports(setter, verdict.created_at + timedelta(hours=1))
    assert rivals_of(ada, trial) == before
    # How far it was known to the last verdict is what the one said that names it.
    verdict.pk, verdict.n = None, 1
    trial.decisions.update(setters=[])
    verdict.save()
    (cut,) = [curve for curve in rivals_of(ada, trial) if curve not in before]
    assert [n for n, _ in cut] == [1]
    trial.decisions.filter(n=1).delete()
    assert len(rivals_of(ada, trial)) == len(before) - 1


def test_an_unjudged_trial_stands_beside_all_others(ada: Client) -> None:
    trial = judged_trial()
    assert trial.sweep is not None
    source = {"origin": "rerun", "source_number": 3, "runs_to_end": True}
    exempt = factories.reported_trial(trial.sweep, [0.3, 0.6], **source)
    assert not exempt.decisions.exists()
    late = factories.reported_trial(trial.sweep, [0.9, 0.9])
    move_reports(late, exempt.created_at + timedelta(hours=1))
    assert len(rivals_of(ada, exempt)) == 5
