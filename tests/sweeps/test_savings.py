"""What early termination saved: by sweep and month, estimated from the median."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments.models import Pool, Sweep, Trial
from experiments.sweeps import savings
from experiments.sweeps.progress import compute_of
from experiments.sweeps.savings import Saving
from tests import factories

pytestmark = pytest.mark.django_db
NOVEMBER, DECEMBER = (
    datetime(2026, 11, 30, 23, tzinfo=UTC),
    datetime(2026, 12, 1, tzinfo=UTC),
)


def ended(
    sweep: Sweep, state: str, *, elapsed: float | None, reports: int, at: datetime
) -> Trial:
    return factories.trial(
        sweep, state=state, elapsed=elapsed, value=0.5, reports=reports, ended_at=at
    )


def a_sweep(
    completed: list[tuple[float, int]], early: list[tuple[float, int]]
) -> Sweep:
    sweep = factories.sweep(factories.team())
    for elapsed, reports in completed:
        ended(sweep, "completed", elapsed=elapsed, reports=reports, at=NOVEMBER)
    for elapsed, reports in early:
        ended(sweep, "terminated", elapsed=elapsed, reports=reports, at=NOVEMBER)
    return sweep


def saved_by(sweep: Sweep) -> Saving:
    lines = savings.monthly_savings(Sweep.objects.filter(pk=sweep.pk))
    return savings.total(line.saving for line in lines)


def test_a_trial_saved_the_median_minus_what_it_used() -> None:
    sweep = a_sweep([(10, 100), (20, 50), (60, 70)], [(5, 20)])
    assert saved_by(sweep) == Saving(trials=1, reports=50, seconds=15)


def test_with_an_even_number_the_median_is_between_the_middle_two() -> None:
    sweep = a_sweep([(10, 10), (20, 40)], [(5, 5), (1, 1)])
    assert saved_by(sweep) == Saving(trials=2, reports=44, seconds=24)


def test_a_trial_that_took_longer_saved_nothing() -> None:
    sweep = a_sweep([(10, 100)], [(50, 20)])
    assert saved_by(sweep) == Saving(trials=1, reports=80, seconds=0)


def test_without_a_completed_trial_nothing_is_known_to_be_saved() -> None:
    assert saved_by(a_sweep([], [(5, 20)])) == Saving(trials=1)


def test_a_trial_whose_time_is_not_known_saved_no_time() -> None:
    sweep = a_sweep([(10, 100)], [])
    ended(sweep, "terminated", elapsed=None, reports=40, at=NOVEMBER)
    assert saved_by(sweep) == Saving(trials=1, reports=60)


def test_other_ends_save_nothing() -> None:
    sweep = a_sweep([(10, 100)], [])
    ended(sweep, "cancelled", elapsed=1, reports=1, at=NOVEMBER)
    ended(sweep, "failed", elapsed=1, reports=1, at=NOVEMBER)
    assert savings.monthly_savings(Sweep.objects.all()) == []


def test_gpus_and_the_pool_s_price_count() -> None:
    sweep = a_sweep([(7200, 10)], [(3600, 5)])
    sweep.definition = {**sweep.definition, "resources": {"gpus": 2}}
    sweep.save(update_fields=["definition"])
    assert saved_by(sweep).money is None
    Pool.objects.filter(pk=sweep.pool_id).update(price_per_hour="1.25")
    found = saved_by(sweep)
    assert found.gpu_seconds == 7200
    assert found.money == pytest.approx(1.25)


def test_months_are_those_in_which_the_trials_ended() -> None:
    sweep = a_sweep([(10, 10)], [(4, 4)])
    ended(sweep, "terminated", elapsed=1, reports=1, at=DECEMBER)
    lines = savings.monthly_savings(Sweep.objects.all())
    assert {month: s.seconds for month, s in savings.by_month(lines).items()} == {
        "2026-11": 6,
        "2026-12": 9,
    }
    (line,) = savings.monthly_savings(Sweep.objects.all(), month="2026-12")
    assert (line.sweep, line.month, line.saving.trials) == (sweep, "2026-12", 1)


def test_sweeps_are_told_apart_in_a_fixed_number_of_queries() -> None:
    one, other = (a_sweep([(time, 10)], [(4, 4)]) for time in (10, 100))
    labels = [one.label, other.label]
    with CaptureQueriesContext(connection) as queries:
        lines = savings.monthly_savings(
            Sweep.objects.filter(experiment__team__name="Physics")
        )
        assert [line.sweep.label for line in lines] == labels
    assert len(queries) == 2
    assert [line.saving.seconds for line in lines] == [6, 96]
    with CaptureQueriesContext(connection) as queries:
        computes = compute_of([one.pk, other.pk])
    assert len(queries) == 2
    assert computes[other.pk].saved == 96
    assert computes[other.pk].saving.reports == 6


def test_no_sweeps_have_saved_nothing() -> None:
    assert savings.saved_by_sweep([]) == {}
    assert savings.total([]) == Saving()
