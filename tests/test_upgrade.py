"""An installation of the version before is upgraded with what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now

from experiments import lifecycle, scheduling
from experiments.models import (
    Artifact,
    Attempt,
    Event,
    Pool,
    SpaceVersion,
    Sweep,
    Trial,
    Wish,
    Worker,
)
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = ("experiments", "0002_early_termination")
LATEST = ("experiments", "0003_execution")
NEW_MODELS = {"wish", "spaceversion", "schedulerprocess"}
Migrate = Callable[[tuple[str, str]], Any]
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def migrate() -> Iterator[Migrate]:
    """Bring the tables to a migration; returns the models as they are there. Whatever
    happens, other tests find the latest."""

    def to(target: tuple[str, str]) -> Any:
        executor = MigrationExecutor(connection)
        return executor.migrate([target]).apps

    yield to
    to(LATEST)


def tables() -> set[str]:
    names = connection.introspection.table_names()
    return {name.removeprefix("experiments_") for name in names}


def everything(apps: Any) -> Rows:
    """All rows of the models as these know them."""
    models = apps.get_app_config("experiments").get_models(include_auto_created=True)
    return {
        model._meta.model_name: list(model._default_manager.order_by("pk").values())
        for model in models
    }


def without_new_columns(rows: Rows, old: Rows) -> Rows:
    kept: Rows = {}
    for name, before in old.items():
        columns = set(before[0]) if before else set()
        found = rows[name]
        kept[name] = [{key: row[key] for key in columns} for row in found]
    return kept


def filled() -> tuple[Sweep, Sweep]:
    """Two sweeps, one of which has ended, a worker, reports, an output, a trial that
    runs and one that waits."""
    team = factories.team(ada="member")
    made = factories.sweep(team, max_total_trials=12, max_concurrent_trials=4)
    ended = factories.sweep(team)
    for sweep in (made, ended):
        for value in (0.5, 0.25, 0.75):
            trial = factories.reported_trial(sweep, [0.1, value], state="completed")
        Artifact.objects.create(
            attempt=trial.current_attempt, path="model.bin", size=7, sha256="a" * 64
        )
    Sweep.objects.filter(pk=ended.pk).update(state="completed", ended_at=Now())
    factories.reported_trial(made, [0.5])
    factories.trial(made)
    return made, ended


def want_again(apps: Any, made: Sweep, ended: Sweep) -> None:
    """Trials that wait to run again, as events tell it: one of them has begun, one was
    deleted since."""
    old = apps.get_model("experiments", "Event")
    for sweep in (made, ended):
        for data in ({"trials": [1, 2, 90]}, {"trials": [1], "to_end": True}):
            old.objects.create(
                team_id=sweep.experiment.team_id,
                actor_id=factories.user("ada").pk,
                sweep_id=sweep.pk,
                verb="trials to run again",
                data=data,
            )


def test_everything_is_there_after_the_upgrade_and_goes_on(migrate: Migrate) -> None:
    made, ended = filled()
    factories.trial(made, origin="rerun", source_number=2, params={"x": 0.2})
    apps = migrate(BEFORE)
    assert not NEW_MODELS & tables()
    want_again(apps, made, ended)
    before = everything(apps)
    assert {name for name, rows in before.items() if rows} >= {
        *("sweep", "trial", "attempt", "worker", "pool", "pool_teams", "event"),
        *("metric", "metricpoint", "report", "artifact", "membership", "user"),
    }

    after = everything(migrate(LATEST))
    assert without_new_columns(after, before) == before
    check_new_columns()
    check_wishes(made)
    check_it_goes_on(made)


def check_new_columns() -> None:
    """All trials are launched, take a slot, and no host drains."""
    assert set(Sweep.objects.values_list("launches", "priority", "space_version")) == {
        (True, 0, 1)
    }
    assert all(
        (attempt.slots, attempt.gpus, attempt.signature, attempt.client)
        == (1, [], "", "")
        for attempt in Attempt.objects.all()
    )
    worker = Worker.objects.get()
    assert (worker.gpus, worker.gpus_per_slot, worker.facts) == ([], 1, {})
    assert (worker.draining_since, worker.undrained_at) == (None, None)
    assert (Pool.objects.get().folders, Pool.objects.get().python) == ([], "")
    assert set(Artifact.objects.values_list("whole", flat=True)) == {True}
    assert not SpaceVersion.objects.exists()


def check_wishes(made: Sweep) -> None:
    waiting = Wish.objects.order_by("pk")
    assert [(wish.sweep, wish.origin) for wish in waiting] == [
        (made, "re-run of 1"),
        (made, "re-run of 1, to its end"),
    ]
    assert {wish.asked_by for wish in waiting} == {factories.user("ada")}
    assert waiting[0].params == Trial.objects.get(sweep=made, number=1).params
    assert Event.objects.filter(verb="trials to run again").count() == 4


def check_it_goes_on(made: Sweep) -> None:
    """What ran ends, what waited is claimed, and what was to run again begins."""
    running = made.trials.get(state="running")
    outcome = lifecycle.Outcome(cause="exited", exit_code=0, elapsed=1.0)
    assert running.current_attempt is not None
    lifecycle.finish_attempt(running.current_attempt, outcome)
    factories.claim(made.trials.filter(state="queued").order_by("number")[0])
    scheduling.advance_all()
    begun = Wish.objects.filter(begun_at__isnull=False)
    assert "re-run of 1" in begun.values_list("trial__origin", flat=True)
