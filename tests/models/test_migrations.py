"""The rows of an installation made by the first migration survive all later ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps.registry import Apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from experiments.models import Metric, Segment, Trial
from experiments.tracking import codec, series
from tests.models.initial_rows import FILE, INITIAL, own_models

pytestmark = pytest.mark.django_db(transaction=True)

MODELS = ("Sweep", "Trial", "Metric", "MetricPoint", "Report")
Rows = dict[str, dict[Any, dict[str, Any]]]


@pytest.fixture
def initial() -> Iterator[Apps]:
    """The models of the first migration. Other tests find the latest again."""
    yield MigrationExecutor(connection).migrate([INITIAL]).apps
    migrate_to_latest()


def migrate_to_latest() -> Apps:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes("experiments")
    return executor.migrate(latest).apps


def load(apps: Apps) -> None:
    """The rows of the file, as they are there: no column sets its own time."""
    found = json.loads(FILE.read_text())
    made = list(own_models(apps))
    with transaction.atomic():
        for model in made:
            for row in found[str(model._meta.model_name)]:
                values = {
                    field.attname: field.to_python(row[field.attname])
                    for field in model._meta.fields
                }
                model(**values).save_base(raw=True, force_insert=True)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), made):
            cursor.execute(statement)


def stored(apps: Apps) -> Rows:
    """All rows by table and primary key."""
    return {
        str(model._meta.model_name): {
            row[model._meta.pk.attname]: row for row in model._base_manager.values()
        }
        for model in own_models(apps)
    }


# Counted again from the points.
COUNTED = {
    "metric": {"count", "last_step", "last_value", "low", "high"},
    "trial": {"reports"},
}


def check_that_rows_survived(before: Rows, after: Rows) -> None:
    for table in before.keys() & after.keys():
        for pk, row in before[table].items():
            kept = after[table][pk]
            same = row.keys() & kept.keys() - COUNTED.get(table, set())
            assert {name: kept[name] for name in same} == {
                name: row[name] for name in same
            }


class TestPoints:
    """Points become segments; those of a primary metric in the order of reports."""

    COUNT, CARRIED = 9_000, 3_000
    START = datetime(2026, 1, 1, tzinfo=UTC)

    @pytest.fixture
    def values(self, initial: Apps) -> list[float | None]:
        """A trial with thousands of points: first those of its own, then those that
        its attempt took over, then the rest. Its reports begin with the middle ones."""
        load(initial)
        assert all(len(rows) == 2 for rows in stored(initial).values())
        model = {name: initial.get_model("experiments", name) for name in MODELS}
        model["MetricPoint"].objects.all().delete()
        model["Report"].objects.all().delete()
        values = [None if n % 97 == 0 else n / 7 for n in range(self.COUNT)]
        steps = range(self.COUNT)
        own = [*steps[self.CARRIED : self.CARRIED + 10], *steps[: self.CARRIED]]
        model["MetricPoint"].objects.bulk_create(
            model["MetricPoint"](
                **{"metric_id": 1, "step": n, "value": values[n], "time": self.at(n)}
            )
            for n in [*own, *steps[self.CARRIED + 10 :]]
        )
        model["Report"].objects.bulk_create(
            model["Report"](
                **{"sweep_id": 1, "trial_id": 1, "number": 1, "n": n + 1, "step": n},
                **{"value": values[n], "best_loss": 0, "mean_loss": 0},
                time=self.at(n) + timedelta(hours=1),
            )
            for n in steps
        )
        model["Sweep"].objects.filter(pk=1).update(primary_metric="name-1")
        model["Trial"].objects.filter(pk=1).update(
            reports=self.COUNT, current_attempt=1
        )
        return values

    def at(self, step: int) -> datetime:
        return self.START + timedelta(milliseconds=step)

    def moved(self) -> codec.Records:
        return series.read([1])[1]

    def check(self, values: list[float | None]) -> None:
        points = self.moved()
        assert points["step"].tolist() == list(range(self.COUNT))
        found = [None if math.isnan(v) else v for v in points["value"].tolist()]
        assert found == values
        times = [codec.microseconds(self.at(n)) for n in range(self.COUNT)]
        assert points["time"].tolist() == times
        arrived = (points["arrived"] - points["time"]) / 3.6e9
        assert arrived.tolist() == [1.0] * self.COUNT
        metric = Metric.objects.get(pk=1)
        assert (metric.count, metric.last_step) == (self.COUNT, self.COUNT - 1)
        assert metric.last_time == times[-1] and metric.last_value == values[-1]
        assert Segment.objects.filter(metric=1).count() == 3

    def test_every_row_survives_and_thousands_of_points_move_in_two_goes(
        self,
        initial: Apps,
        values: list[float | None],
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        self.add_a_trial_with_a_report_too_many(initial)
        before = stored(initial)
        with monkeypatch.context() as patch:
            patch.setattr(codec, "cut", self.fails_for_one_point(codec.cut))
            with pytest.raises(KeyboardInterrupt):
                migrate_to_latest()
        check_that_rows_survived(before, stored(migrate_to_latest()))
        self.check(values)
        assert series.read([2])[2]["step"].tolist() == [5]
        reports = dict(Trial.objects.values_list("pk", "reports"))
        assert reports == {1: self.COUNT, 2: 1}
        words = "Trial 2 has 1 reports whose points are missing; they no longer count."
        assert words in capfd.readouterr().out

    def add_a_trial_with_a_report_too_many(self, initial: Apps) -> None:
        model = {name: initial.get_model("experiments", name) for name in MODELS}
        model["MetricPoint"].objects.create(
            metric_id=2, step=5, value=1.5, time=self.START
        )
        for n, step in ((1, 5), (2, 6)):
            model["Report"].objects.create(
                **{"sweep_id": 1, "trial_id": 2, "number": 2, "n": n, "step": step},
                **{"value": 1.5, "best_loss": 0, "mean_loss": 0, "time": self.START},
            )
        model["Metric"].objects.filter(pk=2).update(name="name-1")
        model["Trial"].objects.filter(pk=2).update(
            sweep=1, reports=2, current_attempt=2
        )

    def fails_for_one_point(self, cut: Any) -> Any:
        def cut_or_fail(points: codec.Records, first: int) -> Any:
            if len(points) == 1:
                raise KeyboardInterrupt
            return cut(points, first)

        return cut_or_fail
