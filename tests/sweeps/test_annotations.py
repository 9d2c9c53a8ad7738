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
from experiments.tracking import run_log
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


def test_each_team_and_sweep_has_an_event(sweep: Sweep) -> None:
    ada, other = factories.user("ada"), factories.sweep(factories.team("Chemistry"))
    factories.trial(other)
    for _ in range(2):
        factories.run(other.experiment.team)
    tag_trials(Trial.objects.all(), add={"good": ""}, actor=ada)
    found = Event.objects.filter(message__startswith="added good").order_by("pk")
    assert [(event.team.name, event.sweep, event.verb) for event in found] == [
        ("Physics", sweep, "trials changed"),
        ("Chemistry", other, "trial changed"),
        ("Chemistry", None, "runs changed"),
    ]


def test_feeds_see_the_change_from_the_last_statement(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "MAX_IDS", 2)
    with CaptureQueriesContext(connection) as queries:
        tag_trials(sweep.trials.all(), add={"a": ""}, actor=factories.user("ada"))
    texts = [q["sql"] for q in queries if "SAVEPOINT" not in q["sql"]]
    stamps = [n for n, sql in enumerate(texts) if '"updated_at" =' in sql]
    assert stamps == [len(texts) - 2, len(texts) - 1]


def test_tags_of_mlflow_stay_and_their_number_is_limited(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, first = factories.user("ada"), sweep.trials.filter(number=0)
    Run.objects.create(trial=first.get(), tags={"mlflow.user": "ada", "a": "1"})
    with pytest.raises(NotPossible, match="MLflow's own"):
        tag_trials(first, remove=["mlflow.user"], actor=ada)
    monkeypatch.setattr(run_log, "MAX_ENTRIES", 2)
    with pytest.raises(NotPossible, match="at most 2 tags"):
        tag_trials(first, add={"b": ""}, actor=ada)
    monkeypatch.setattr(run_log, "MAX_ENTRIES", 0)
    assert tag_trials(first, remove=["a"], actor=ada) == 1
    assert tags(sweep) == [{"mlflow.user": "ada"}]


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
