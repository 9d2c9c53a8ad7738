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
from django.utils import timezone

from experiments.db.prepared import Insert, Placeholder, Select, SelectObject, Update
from experiments.models import (
    Attempt,
    Decision,
    Event,
    Report,
    Sweep,
    Team,
    Trial,
)
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
        factories.reported_trial(sweep, [math.nan])
        below = Select(
            lambda: (
                Report.objects.filter(best_loss__lte=Placeholder("loss"))
                .values("n")
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

    def test_one_that_is_sliced_starts_and_ends_anywhere(self, sweep: Sweep) -> None:
        for _ in range(4):
            factories.trial(sweep)
        numbers = Select(
            lambda: Trial.objects.order_by("number").values_list("number"), sliced=True
        )
        assert numbers.rows(offset=1, limit=2) == [(1,), (2,)]
        assert numbers.rows(offset=3, limit=9) == [(3,)]

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
    def test_what_is_not_named_is_read_when_it_is_wanted(
        self, sweep: Sweep, django_assert_num_queries: Any
    ) -> None:
        trial = factories.trial(sweep)
        select = SelectObject(
            lambda: Trial.objects.filter(pk=Placeholder("pk")),
            Trial,
            *("number", "sweep", "params"),
            sweep=("goal", "definition"),
        )
        with django_assert_num_queries(1):
            found = select.first(pk=trial.pk)
            assert found is not None
            assert found.sweep is not None
            assert (found, found.sweep) == (trial, sweep)
            assert found.params == trial.params
            assert found.sweep.definition == sweep.definition
        with django_assert_num_queries(1):
            assert found.state == "queued"

    def test_a_join_may_find_nothing(self, sweep: Sweep) -> None:
        alone = Trial.objects.create(experiment=sweep.experiment, number=7)
        select = SelectObject(
            lambda: Trial.objects.filter(pk=Placeholder("pk")),
            Trial,
            "sweep",
            sweep=["goal"],
        )
        found = select.first(pk=alone.pk)
        assert found is not None
        assert found.sweep is None
        assert select.first(pk=0) is None

    def test_all_columns_where_none_is_named(
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


class TestInsert:
    def test_a_row_with_json_and_a_time_is_stored_as_the_orm_stores_it(
        self, sweep: Sweep
    ) -> None:
        trial = factories.reported_trial(sweep, [0.5])
        facts = {"chance": 0.25, "name": "‹50 %›"}
        names = ("trial", "attempt", "policy", "n", "rivals", "stop", "reason", "facts")
        decision = Decision(
            trial=trial,
            attempt_id=trial.current_attempt_id,
            policy="bandit",
            n=9,
            rivals=3,
            stop=True,
            reason="Ended.",
            facts=facts,
        )
        parts = ("clause", "named_best", "limit_words")
        Insert(Decision, *names, *parts, "settings", "setters").run(decision)
        stored = Decision.objects.get(n=9)
        assert (stored.facts, stored.settings, stored.stop) == (facts, {}, True)
        assert abs((stored.created_at - timezone.now()).total_seconds()) < 3_600

    def test_a_time_is_kept_to_the_microsecond(self, sweep: Sweep) -> None:
        moment = timezone.now().replace(microsecond=123_456)
        made = Event(sweep=sweep, verb="seen", created_at=moment)
        names = ("sweep", "verb", "message", "data", "created_at")
        Insert(Event, *names).run(made)
        assert Event.objects.get(verb="seen").created_at == moment


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
