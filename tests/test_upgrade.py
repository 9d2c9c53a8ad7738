"""What an installation of the version before brings along."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from experiments.models import Event, Trial, Wish
from tests import factories


@pytest.mark.django_db
def test_trials_that_waited_to_run_again_still_do() -> None:
    """The step of the migration alone, on rows as the version before kept them."""
    made = factories.sweep(factories.team(ada="member"), max_total_trials=12)
    ended = factories.sweep(factories.team(), state="completed")
    for sweep in (made, ended):
        for _ in range(3):
            factories.trial(sweep, state="completed", value=0.5)
        for data in ({"trials": [1, 2]}, {"trials": [1], "to_end": True}):
            Event.objects.create(
                team=sweep.experiment.team,
                actor=factories.user("ada"),
                sweep=sweep,
                verb="trials to run again",
                data=data,
            )
        factories.trial(sweep, origin="re-run of 2", params={"x": 0.2})
    made.trials.get(number=0).delete()
    loader = MigrationExecutor(connection).loader
    migration = loader.get_migration("experiments", "0003_execution")
    (step,) = (op for op in migration.operations if hasattr(op, "code"))
    apps = loader.project_state(("experiments", "0003_execution")).apps
    step.code(apps, connection.schema_editor)
    waiting = Wish.objects.order_by("pk")
    assert [(wish.sweep, wish.origin) for wish in waiting] == [
        (made, "re-run of 1"),
        (made, "re-run of 1, to its end"),
    ]
    assert {wish.asked_by for wish in waiting} == {factories.user("ada")}
    assert waiting[0].params == Trial.objects.get(sweep=made, number=1).params
