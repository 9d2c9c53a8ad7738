"""What a measurement stores: space by team, experiment, sweep, person and kind."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db.models import Sum
from django.db.models.functions import Now
from redis import Redis

from experiments import lifecycle, storage
from experiments.cleanup import measure, orphans, trash, usage
from experiments.cleanup.usage import Measured, SpaceGrowth
from experiments.code import snapshots
from experiments.models import (
    Artifact,
    Attempt,
    Event,
    Orphan,
    SpaceUsage,
    Sweep,
    Team,
    Trial,
)
from experiments.queues import site_jobs
from tests import factories

pytestmark = pytest.mark.django_db

OLD = time.time() - 3 * 24 * 3600


def filled(team: Team, *, name: str = "ada") -> Sweep:
    """A sweep with a trial that has 100 bytes of outputs and 10 of log."""
    sweep = factories.sweep(team, state="completed", user=factories.user(name))
    trial = factories.reported_trial(
        factories.sweep(team, user=factories.user(name)), [0.1, 0.2], state="completed"
    )
    Trial.objects.filter(pk=trial.pk).update(sweep=sweep)
    factories.output(trial, "model.pt", b"x" * 100)
    storage.append_log(trial.current_attempt_id or 0, b"l" * 10)
    return sweep


def sizes(**only: object) -> dict[str, int]:
    rows = SpaceUsage.objects.filter(**only).order_by()
    return dict(rows.values_list("kind").annotate(Sum("bytes")))


def make_old(path: Path) -> None:
    for each in (path, *path.rglob("*")):
        os.utime(each, (OLD, OLD))


def test_space_is_stored_by_team_sweep_person_and_kind() -> None:
    physics, biology = factories.team("Physics"), factories.team("Biology")
    mine, other = filled(physics), filled(biology, name="bob")
    code = snapshots.store_files(physics, {"train.py": b"pass"}, user=None)
    Sweep.objects.filter(pk=mine.pk).update(code=code)
    measure.measure()
    found = sizes(sweep=mine.pk)
    assert found.pop("code") == storage.code_path(code.digest).stat().st_size
    assert found.pop("metrics") > 2 * 16
    assert found == {"artifacts": 100, "logs": 10}
    assert sizes(team=biology, owner=factories.user("bob"))["artifacts"] == 100
    assert sizes(experiment=other.experiment_id) == sizes(team=biology)
    assert sizes(team=None)["database"] >= 0


def test_what_is_in_the_trash_is_a_kind_of_its_own() -> None:
    team = factories.team(ada="admin")
    sweep, files = filled(team), filled(team)
    run = factories.run(team, created_by=factories.user("ada"))
    factories.output(run, "model.pt", b"y" * 7)
    lifecycle.trash_run(run, actor=factories.user("ada"))
    Sweep.objects.filter(pk=sweep.pk).update(deletion_requested_at=Now())
    Attempt.objects.filter(trial__sweep=files).update(log_bytes=10)
    trash.move_trial_files(files.trials.all(), actor=None)
    measure.measure()
    assert set(sizes(sweep=sweep.pk)) == {"trash"}
    assert sizes(sweep=sweep.pk)["trash"] > 110
    assert sizes(sweep=files.pk)["trash"] == 110
    assert "metrics" in sizes(sweep=files.pk)
    assert sizes(sweep=None, experiment=run.experiment_id) == {"trash": 7}


def test_a_second_measurement_replaces_the_days_rows_and_thins_old_ones() -> None:
    team = factories.team()
    filled(team)
    monday = date.today() - timedelta(days=date.today().weekday(), weeks=8)
    for day in (monday, monday + timedelta(days=1), monday - timedelta(weeks=200)):
        SpaceUsage.objects.create(day=day, team=team, kind="logs", bytes=1)
    measure.measure()
    once = sizes()
    measure.measure()
    assert sizes() == once
    days = set(SpaceUsage.objects.values_list("day", flat=True))
    assert len(days) == 2 and monday in days


def test_many_attempts_need_a_few_queries_for_each_batch(
    monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: object
) -> None:
    monkeypatch.setattr(measure, "BATCH", 3)
    sweep = factories.sweep(factories.team())
    for _ in range(8):
        factories.output(
            factories.trial(sweep, state="completed"), "model.pt", b"x" * 10
        )
    with django_assert_max_num_queries(45):  # type: ignore[operator]
        measure.measure()
    assert sizes(sweep=sweep.pk)["artifacts"] == 80


# --- orphans --------------------------------------------------------------------------


def test_files_without_rows_and_rows_without_files_are_found_and_removed(
    home: Path,
) -> None:
    team = factories.team()
    sweep = filled(team)
    attempt = sweep.trials.get().current_attempt
    assert attempt is not None
    lost = home / "store" / "attempts" / "987654"
    (lost / "outputs").mkdir(parents=True)
    (lost / "log").write_bytes(b"z" * 50)
    storage.code_path("0" * 64).write_bytes(b"c" * 5)
    storage.recording_path(987654, "mark").write_bytes(b"r" * 6)
    part = storage.outputs_folder(attempt.pk) / ".part-1"
    part.write_bytes(b"p" * 8)
    make_old(home / "store")
    young = home / "store" / "attempts" / "987655"
    young.mkdir()
    (young / "log").write_bytes(b"young")
    Artifact.objects.create(attempt=attempt, path="b", size=9, sha256="1" * 64)
    measure.measure()
    found = {row.kind: row.bytes for row in Orphan.objects.all()}
    assert found == {
        "attempt": 50,
        "code": 5,
        "recording": 6,
        "unfinished": 8,
        "missing": 9,
    }
    assert sizes()["orphans"] == 50 + 5 + 6 + 8
    removed = orphans.remove(list(Orphan.objects.all()), actor=None)
    assert (removed.orphans, removed.bytes, removed.kept) == (5, 69, 0)
    assert not lost.exists() and not part.exists() and young.exists()
    assert [row.path for row in Artifact.objects.all()] == ["model.pt"]
    assert Event.objects.filter(verb="orphans removed").count() == 1
    measure.measure()
    assert not Orphan.objects.exists()


def test_what_belongs_to_something_again_is_kept(home: Path) -> None:
    trial = factories.trial(factories.sweep(factories.team()), state="completed")
    attempt = trial.current_attempt_id or 0
    storage.append_log(attempt, b"hello")
    make_old(home / "store")
    orphan = Orphan.objects.create(kind="attempt", name=str(attempt), bytes=5)
    removed = orphans.remove([orphan], actor=None)
    assert (removed.orphans, removed.kept) == (0, 1)
    assert storage.read_log(attempt) == b"hello"


# --- growth and the job ---------------------------------------------------------------


def test_growth_is_a_straight_line_through_the_days() -> None:
    start = date(2026, 1, 5)
    days = [start + timedelta(weeks=week) for week in range(4)]
    growth = SpaceGrowth(days, [10, 20, 30, 40])
    assert growth.per_week == pytest.approx(10)
    assert growth.full_on(100) == days[-1] + timedelta(weeks=10)
    assert SpaceGrowth(days, [4, 3, 2, 1]).full_on(100) is None
    assert SpaceGrowth(days[:1], [10]).per_week is None


def test_a_teams_growth_has_one_day_for_each_week() -> None:
    team = factories.team()
    today = date.today()
    for ago in (0, 1, 7, 8, 90, 300):
        SpaceUsage.objects.create(
            day=today - timedelta(days=ago), team=team, kind="logs", bytes=1000 - ago
        )
    growth = Measured([team]).growth("team")[team.pk]
    assert growth.bytes == [910, 993, 1000]
    assert usage.by_kind() == [("Logs", 1000)]


def test_a_small_site_is_measured_sooner_after_a_trial_ended(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def due(*, minutes: int) -> bool:
        SpaceUsage.objects.update(measured_at=Now() - timedelta(minutes=minutes))
        site_jobs.site_queue().empty()
        measure.measure_if_due()
        return bool(site_jobs.site_queue().job_ids)

    trial = factories.trial(factories.sweep(factories.team()), state="completed")
    measure.measure()
    Trial.objects.update(ended_at=Now() - timedelta(minutes=20))
    assert not due(minutes=15)
    Trial.objects.update(ended_at=Now())
    assert due(minutes=15) and not due(minutes=9)
    monkeypatch.setattr(measure, "MAX_SMALL", (trial.current_attempt_id or 0) - 1)
    assert not due(minutes=15)


def test_the_scheduler_has_the_space_measured_once_an_hour(redis: Redis) -> None:
    measure.measure_if_due()
    assert site_jobs.site_queue().job_ids == ["measure"]
    site_jobs.site_queue().empty()
    measure.measure()
    measure.measure_if_due()
    assert site_jobs.site_queue().job_ids == []
    SpaceUsage.objects.update(measured_at=Now() - timedelta(hours=2))
    measure.measure_if_due()
    assert site_jobs.site_queue().job_ids == ["measure"]
