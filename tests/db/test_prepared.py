"""Statements that are put together once say what the ORM says each time."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, close_old_connections, connection
from django.db.models import Count, F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from experiments.db.prepared import Placeholder, Select, SelectObject, Update
from experiments.models import Attempt, Sweep, Team, Trial
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team())


class TestSelect:
    def test_every_use_has_values_of_its_own(self, sweep: Sweep) -> None:
        for values in ([0.5], [0.6, 0.7], [0.8]):
            factories.reported_trial(sweep, values)
        longer = Select(
            lambda: (
                Trial.objects.filter(
                    sweep=Placeholder("sweep"), reports__gte=Placeholder("n")
                )
                .order_by("number")
                .values_list("number", "value")
            )
        )
        assert longer.rows(sweep=sweep.pk, n=2) == [(1, 0.7)]
        assert longer.rows(sweep=sweep.pk, n=1) == [(0, 0.5), (1, 0.7), (2, 0.8)]
        assert longer.first(sweep=sweep.pk, n=3) is None
        assert longer.first(sweep=sweep.pk, n=1) == (0, 0.5)

    def test_columns_are_what_the_orm_makes_of_them(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        columns = ("params", "created_at", "value", "sweep__definition", "sweep__code")
        rows = Select(
            lambda: Trial.objects.filter(pk=Placeholder("pk")).values_list(*columns)
        ).rows(pk=trial.pk)
        assert rows == list(Trial.objects.filter(pk=trial.pk).values_list(*columns))

    def test_infinity_and_quotes_are_values_like_others(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        Trial.objects.filter(pk=trial.pk).update(value=math.inf)
        below = Select(
            lambda: (
                Trial.objects.filter(value__lte=Placeholder("loss"))
                .values("number")
                .annotate(rows=Count("pk"))
                .values_list("rows")
            )
        )
        assert below.first(loss=math.inf) == (1,)
        assert below.first(loss=1e300) is None
        named = Select(
            lambda: Sweep.objects.filter(
                primary_metric=Placeholder("name")
            ).values_list("pk")
        )
        assert named.rows(name="' OR 1=1 --%s") == []

    def test_it_is_put_together_once(self, sweep: Sweep) -> None:
        made: list[int] = []

        def make() -> Any:
            made.append(1)
            return Trial.objects.filter(pk=Placeholder("pk")).values_list("number")

        numbers = Select(make)
        assert not made
        with CaptureQueriesContext(connection) as queries:
            assert [numbers.rows(pk=0), numbers.rows(pk=1)] == [[], []]
        assert (len(queries), len(made)) == (2, 1)


class TestSelectObject:
    def test_it_has_all_columns(
        self, sweep: Sweep, django_assert_num_queries: Any
    ) -> None:
        trial = factories.trial(sweep)
        factories.claim(trial)
        attempt = Attempt.objects.get(trial=trial)
        select = SelectObject(
            lambda: Attempt.objects.filter(pk=Placeholder("pk")), Attempt
        )
        with django_assert_num_queries(1):
            found = select.first(pk=attempt.pk)
            assert found is not None
            for field in Attempt._meta.concrete_fields:
                name = field.attname
                assert getattr(found, name) == getattr(attempt, name)


class TestUpdate:
    def test_the_row_count_says_who_won(self, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        update = Update(
            lambda: Trial.objects.filter(pk=Placeholder("pk"), state="queued"),
            message=Placeholder("message"),
            reports=F("reports") + 1,
            value=Placeholder("value"),
            updated_at=Now(),
        )
        assert update.run(pk=trial.pk, message="100 % ‹sure›", value=None) == 1
        assert update.run(pk=trial.pk, message="Again.", value=-math.inf) == 1
        trial.refresh_from_db()
        assert (trial.message, trial.reports, trial.value) == ("Again.", 2, -math.inf)
        assert update.run(pk=0, message="", value=None) == 0

    def test_some_rows_at_once(self, sweep: Sweep) -> None:
        trials = [factories.trial(sweep) for _ in range(3)]
        update = Update(
            lambda: Trial.objects.filter(pk=Placeholder("pk")),
            message=Placeholder("message"),
        )
        rows = [{"pk": t.pk, "message": f"{t.number} %"} for t in trials[:2]]
        assert (update.run_each([]), update.run_each(rows[:1])) == (0, 1)
        assert update.run_each(rows) == 2
        found = Trial.objects.order_by("number").values_list("message", flat=True)
        assert list(found) == ["0 %", "1 %", ""]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite has no server to lose"
)
def test_a_lost_connection_is_opened_again() -> None:
    """At the next request, as for the ORM's own statements."""
    teams = Select(
        lambda: Team.objects.filter(pk=Placeholder("pk")).values_list("name")
    )
    assert teams.rows(pk=0) == []
    with connection.cursor() as cursor, suppress(OperationalError):
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    close_old_connections()
    assert teams.rows(pk=0) == []


@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite plans in next to no time"
)
def test_the_server_keeps_the_plan_of_a_statement(sweep: Sweep) -> None:
    numbers = Select(
        lambda: Trial.objects.filter(sweep=Placeholder("sweep")).values_list("number")
    )
    for _ in range(4):
        assert numbers.rows(sweep=sweep.pk) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        kept = [statement for (statement,) in cursor.fetchall()]
    assert [text for text in kept if '"experiments_trial"' in text]
