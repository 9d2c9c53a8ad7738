from __future__ import annotations

import pytest

from experiments.workers.departure import Departure, seconds_of_job


def started(*, idle: float | None = None, time_limit: float | None = None) -> Departure:
    departure = Departure(idle, time_limit)
    departure.start(1_000.0)
    return departure


def test_a_worker_stays_unless_it_is_asked_to_leave() -> None:
    departure = started()
    assert departure.drain_reason(1e9) == ""
    assert not departure.is_due(1e9, draining=True)


def test_in_a_burst_it_leaves_after_a_while_without_a_trial() -> None:
    departure = started(idle=30)
    departure.note(2, 1_010.0)
    for now in (1_020.0, 1_030.0):
        departure.note(0, now)
    assert departure.drain_reason(1_030.0) == ""
    departure.note(0, 1_040.0)
    assert departure.drain_reason(1_040.0) == "This worker had no trial for 30 seconds."


def test_the_time_without_a_site_is_not_idle() -> None:
    departure = started(idle=30)
    departure.note(1, 1_010.0)
    departure.note(0, 2_000.0)
    assert departure.drain_reason(2_000.0) == ""


def test_it_leaves_only_when_the_site_promises_no_more() -> None:
    """A trial that came just before is run to its end."""
    departure = started(idle=30)
    assert not departure.is_due(1_040.0, draining=False)
    departure.note(1, 1_040.0)
    assert not departure.is_due(1_041.0, draining=True)
    departure.note(0, 1_100.0)
    assert departure.is_due(1_100.0, draining=True)


@pytest.mark.parametrize(
    ("limit", "drains", "leaves"), [(3_600.0, 3_540.0, 3_580.0), (50.0, 30.0, 40.0)]
)
def test_it_takes_no_trial_and_leaves_before_its_time_is_over(
    limit: float, drains: float, leaves: float
) -> None:
    departure = started(time_limit=limit)
    departure.note(1, 1_001.0)
    assert departure.drain_reason(1_000 + drains - 1) == ""
    assert "time limit" in departure.drain_reason(1_000 + drains)
    assert not departure.is_due(1_000 + leaves - 1, draining=True)
    assert departure.is_due(1_000 + leaves, draining=True)


def test_near_its_time_limit_it_leaves_at_once_without_a_trial() -> None:
    departure = started(time_limit=3_600)
    assert not departure.is_due(4_000.0, draining=True), "a person drains it"
    assert departure.is_due(4_545.0, draining=True)


@pytest.mark.parametrize(
    ("end", "seconds"), [("1500", 500.0), ("", None), ("soon", None)]
)
def test_the_time_of_a_job_is_what_slurm_says(end: str, seconds: float | None) -> None:
    assert seconds_of_job({"SLURM_JOB_END_TIME": end}, 1_000.0) == seconds
    assert seconds_of_job({}, 1_000.0) is None
