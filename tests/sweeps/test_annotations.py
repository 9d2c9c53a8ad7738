"""Tags, notes and archive of many trials at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments.models import Event, Run, Sweep, Trial
from experiments.sweeps import annotations
from experiments.sweeps.annotations import note_trials, tag_trials
from experiments.sweeps.control import NotPossible
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep() -> Sweep:
    sweep = factories.sweep(factories.team("Physics", ada="member"))
    for _ in range(3):
        factories.trial(sweep, state="completed", value=0.5)
    factories.trial(sweep)
    return sweep


def tags(sweep: Sweep) -> list[Any]:
    runs = Run.objects.filter(trial__sweep=sweep).order_by("trial__number")
    return [run.tags for run in runs]


def test_tags_are_added_and_removed_in_one_step_with_one_event(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "MAX_IDS", 2)
    ada = factories.user("ada")
    Run.objects.create(trial=sweep.trials.get(number=0), tags={"old": "1"})
    before = Trial.objects.get(sweep=sweep, number=1).updated_at
    count = tag_trials(sweep.trials.all(), add={"good": ""}, remove=["old"], actor=ada)
    assert count == 4 and tags(sweep) == [{"good": ""}] * 4
    event = Event.objects.get(verb="trials changed")
    assert event.message == "added good, removed old: 4 trials (0, 1, 2, 3)"
    assert (event.sweep, event.actor) == (sweep, ada)
    # Feeds see it by this time.
    assert Trial.objects.get(sweep=sweep, number=1).updated_at > before
    assert tag_trials(sweep.trials.all(), add={"good": ""}, actor=ada) == 0
    assert Event.objects.filter(verb="trials changed").count() == 1


def test_a_note_is_written_or_added_below(sweep: Sweep) -> None:
    ada, first = factories.user("ada"), sweep.trials.filter(number=0)
    note_trials(first, "one", actor=ada)
    assert note_trials(first, "two", append=True, actor=ada) == 1
    assert Run.objects.get().note == "one\n\ntwo"
    assert Event.objects.filter(verb="trial changed", trial=first.get()).count() == 2


@pytest.mark.parametrize("tag", ["", "x" * 251, "a\0", "a\u202eb", "mlflow.user"])
def test_a_tag_that_cannot_be_stored_is_refused(sweep: Sweep, tag: str) -> None:
    with pytest.raises(NotPossible):
        tag_trials(sweep.trials.all(), add={tag: ""}, actor=factories.user("ada"))
    assert not Run.objects.exists()


def test_the_queries_do_not_grow_with_the_trials(sweep: Sweep) -> None:
    ada = factories.user("ada")
    with CaptureQueriesContext(connection) as few:
        tag_trials(sweep.trials.filter(number__in=(0, 1)), add={"a": ""}, actor=ada)
    with CaptureQueriesContext(connection) as more:
        tag_trials(sweep.trials.all(), add={"b": ""}, actor=ada)
    assert len(few) == len(more)
