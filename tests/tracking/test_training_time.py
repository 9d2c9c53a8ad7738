"""How long trials trained: the sum over their attempts, wherever it is shown."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from experiments.models import Attempt, Sweep, Trial
from experiments.pages.experiments.summary import best_by_compute
from experiments.pages.sweep.summary import sweep_summary
from experiments.sweeps import savings
from experiments.sweeps.export import write_csv
from experiments.sweeps.progress import compute_of, usual_times
from experiments.tracking.recordings import load_recording
from experiments.tracking.training_time import (
    TRAINED,
    earlier_by_trial,
    measured_seconds,
    seconds_by_trial,
    trained,
)
from tests import factories

pytestmark = pytest.mark.django_db


def tried(sweep: Sweep, state: str, *seconds: float | None) -> Trial:
    """An ended trial whose attempts trained for so long; all but the last were lost."""
    trial = factories.trial(sweep, state=state, elapsed=seconds[-1], value=0.5)
    current = trial.current_attempt
    assert current is not None
    Attempt.objects.filter(pk=current.pk).update(n=len(seconds))
    now = timezone.now()
    for n, elapsed in enumerate(seconds[:-1], start=1):
        Attempt.objects.create(
            trial=trial,
            n=n,
            pool=sweep.pool,
            state="lost",
            elapsed=elapsed,
            claimed_at=now,
            ended_at=now,
        )
    return trial


@pytest.fixture
def sweep() -> Sweep:
    """Its completed trials took 20, 30 and 70 seconds, and one ended early 12."""
    made = factories.sweep(factories.team("Physics", ada="member"))
    tried(made, "completed", 20)
    tried(made, "completed", 25, None, 5)
    tried(made, "completed", 40, 30)
    tried(made, "terminated", 10, 2)
    return made


def test_what_policies_saved_is_held_against_all_attempts(sweep: Sweep) -> None:
    assert usual_times([sweep.pk]) == {sweep.pk: 30}
    assert savings.saved_by_sweep([sweep.pk])[sweep.pk].seconds == 18
    compute = compute_of([sweep.pk])[sweep.pk]
    assert (compute.used, compute.saved) == (132, 18)


# Seconds by trial; all but the last attempt of each were lost.
COMPLETED: list[list[tuple[float | None, ...]]] = [
    [(20,)],
    [(20,), (4, 8)],
    [(20,), (25, None, 5), (40, 30)],
    [(0.1, 0.2), (3, 0.7, 0.1), (2,), (None, 4)],
    [(None, None), (None,), (0,), (0, 0), (7, 1), (8,), (8, 0)],
]


@pytest.mark.parametrize("completed", COMPLETED, ids=len)
def test_both_ways_to_sum_and_both_to_find_the_median_agree(
    completed: list[tuple[float | None, ...]],
) -> None:
    made = factories.sweep(factories.team())
    for seconds in completed:
        tried(made, "completed", *seconds)
    tried(factories.sweep(made.experiment.team), "completed", 500)
    # What it saved is the median itself.
    tried(made, "terminated", 0)
    usual = usual_times([made.pk])
    saved = savings.saved_by_sweep([made.pk])[made.pk].seconds
    known = [sum(s or 0 for s in t) for t in completed if {*t} - {None}]
    assert usual == {made.pk: pytest.approx(median(known))}
    assert saved == pytest.approx(usual[made.pk])
    tables = [Trial._meta.db_table, TRAINED.format(attempt=Attempt._meta.db_table)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT t.id, {1} FROM {0} t".format(*tables))
        by_sql = dict(cursor.fetchall())
    assert by_sql == pytest.approx(dict(Trial.objects.values_list("pk", trained())))


def seconds_of(trial: Trial, now: datetime) -> float | None:
    return seconds_by_trial([trial], now)[trial.pk]


def test_a_trial_that_never_trained_took_nothing(sweep: Sweep) -> None:
    trial = factories.trial(sweep)
    earlier = earlier_by_trial([trial.pk])
    assert seconds_of(trial, timezone.now()) is None
    assert measured_seconds(trial, earlier) is None


def test_while_it_waits_again_a_trial_has_what_it_trained_before(sweep: Sweep) -> None:
    trial = factories.trial(sweep)
    factories.claim(trial)
    first = trial.current_attempt
    factories.lose(first)
    Attempt.objects.filter(pk=first.pk if first else 0).update(elapsed=7)
    trial.refresh_from_db()
    now = timezone.now()
    assert seconds_of(trial, now) == 7
    factories.claim(trial)
    attempt = trial.current_attempt
    assert attempt is not None and attempt.claimed_at is not None
    later = attempt.claimed_at + timedelta(seconds=5)
    assert seconds_of(trial, later) == 12


@pytest.mark.parametrize("set_by", [-86_400, -60, 0, 86_400])
def test_a_clock_that_is_set_makes_no_training_longer(
    sweep: Sweep, settings: Any, set_by: int
) -> None:
    """What its runner told last counts, and the time since, which is short."""
    settings.LEASE_SECONDS = 60
    trial = factories.trial(sweep)
    factories.claim(trial)
    attempt = trial.current_attempt
    assert attempt is not None and attempt.claimed_at is not None
    told = attempt.claimed_at + timedelta(minutes=1)
    attempt.elapsed, attempt.heartbeat_at = 50.0, told
    now = told + timedelta(seconds=set_by + 5)
    seconds = seconds_of(trial, now)
    assert seconds == {0: 55, 86_400: 110}.get(set_by, 50)


def test_the_time_of_a_trial_grows_while_it_is_prepared(sweep: Sweep) -> None:
    trial = factories.trial(sweep)
    factories.claim(trial)
    attempt = trial.current_attempt
    assert attempt is not None and attempt.claimed_at is not None
    attempt.phase, attempt.elapsed = "builds its environment", 0.0
    attempt.heartbeat_at = attempt.claimed_at + timedelta(seconds=295)
    now = attempt.claimed_at + timedelta(seconds=300)
    assert seconds_of(trial, now) == 300


def test_means_and_charts_of_a_sweep_count_all_attempts(sweep: Sweep) -> None:
    assert sweep_summary(sweep, now=timezone.now()).mean_time == 33
    Trial.objects.filter(sweep=sweep, number=2).update(value=0.9)
    points = best_by_compute([sweep.pk], goal="maximize")[sweep.pk]
    assert points == [(20, 0.5), (120, 0.9)]


def test_a_simulation_takes_them_as_one_long_training() -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.1, 0.2], state="completed")
    alone = load_recording(sweep)
    now = timezone.now()
    Attempt.objects.filter(trial=trial).update(n=2)
    Attempt.objects.create(
        trial=trial, n=1, pool=sweep.pool, state="lost", elapsed=90, claimed_at=now
    )
    both = load_recording(sweep)
    assert both.seconds[0] - alone.seconds[0] == pytest.approx(90)
    assert alone.starts[0] - both.starts[0] == pytest.approx(90, abs=1e-3)


def test_tables_and_the_api_tell_the_same(client: Client, sweep: Sweep) -> None:
    file = io.StringIO()
    write_csv(sweep, file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [float(row["elapsed"]) for row in rows] == [20, 30, 70, 12]
    secret = factories.api_token(factories.user("ada"))
    answer = client.get(
        f"/api/v1/sweeps/{sweep.pk}/trials",
        headers={"authorization": f"Bearer {secret}"},
    )
    assert [row["elapsed"] for row in answer.json()["items"]] == [20, 30, 70, 12]


def test_pages_tell_the_same_and_sort_by_it(client: Client, sweep: Sweep) -> None:
    client.force_login(factories.user("ada"))
    for number, took in ((0, "20 s"), (1, "30 s"), (2, "1 m 10 s")):
        trial = sweep.trials.get(number=number)
        page = client.get(trial.get_absolute_url()).content.decode()
        assert f"took {took}" in page
    page = client.get(f"/sweeps/{sweep.pk}/trials/?sort=-took").content.decode()
    # The best, trial 0, is pinned above the others.
    places = [page.index(f">{text}</td>") for text in ("1 m 10 s", "30 s", "12 s")]
    assert places == sorted(places)
