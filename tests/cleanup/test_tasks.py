"""Moves to the trash and restores that are too large for a request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from experiments.cleanup import tasks, trash
from experiments.cleanup.move import move
from experiments.cleanup.plan import CleanupPlan, plan_of
from experiments.cleanup.selection import read_selection
from experiments.models import (
    Artifact,
    CleanupTask,
    Removable,
    Sweep,
    Team,
    TrashItem,
    User,
)
from experiments.queues import site_jobs
from tests import factories
from tests.pages.clients import client_of, page

pytestmark = pytest.mark.django_db
ADDRESS = "place=physics&kind=artifacts&older_than=30&not_best=1"
FILES = 5


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MAX_AT_ONCE", 2)
    monkeypatch.setattr(trash, "MAX_ROWS", 2)


@pytest.fixture
def team() -> Team:
    factories.user("ada")
    return factories.team("Physics", ada="admin")


@pytest.fixture
def sweep(team: Team) -> Sweep:
    made = factories.sweep(team, state="completed")
    ended = timezone.now() - timedelta(days=40)
    for number in range(FILES + 1):
        trial = factories.trial(made, state="completed", value=number, ended_at=ended)
        Artifact.objects.create(
            attempt=trial.current_attempt, path="a.pt", size=10, sha256="0" * 64
        )
    return made


def dry_run(team: Team, **data: str) -> CleanupPlan:
    return plan_of(read_selection({"kind": "artifacts", **data}, team), team)


def work() -> None:
    queue = site_jobs.site_queue()
    worker = SimpleWorker(
        [queue], connection=queue.connection, serializer=JSONSerializer
    )
    worker.work(burst=True, logging_level="ERROR")


def test_a_page_leaves_a_large_move_and_its_restore_to_a_job(
    team: Team,
    sweep: Sweep,
    redis: Redis,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    ada, plan = client_of("ada"), dry_run(team, older_than="30")
    with django_capture_on_commit_callbacks(execute=True):
        ada.post(f"/cleanup/move/?{ADDRESS}&mark={plan.mark}")
    shown = page(ada, "/cleanup/")
    assert "5 files: a job moves them to the trash." in shown
    assert "Move to trash: artifacts, older than 30 days" in shown
    assert Artifact.objects.count() == FILES + 1
    work()
    item = TrashItem.objects.get()
    assert (item.files, item.trials, item.bytes, item.mover) == (5, 5, 50, "ada")
    assert Artifact.objects.count() == 1 and not CleanupTask.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        ada.post(f"/cleanup/trash/{item.pk}/restore/")
    assert f"Restore {sweep.label}" in page(ada, "/cleanup/")
    work()
    assert Artifact.objects.count() == FILES + 1
    assert not TrashItem.objects.exists() and not CleanupTask.objects.exists()


def test_the_api_answers_202_and_lists_what_waits(team: Team, sweep: Sweep) -> None:
    ada = client_of("ada")
    token = factories.api_token(factories.user("ada"), scope="admin")
    send = {
        "content_type": "application/json",
        "headers": {"Authorization": f"Bearer {token}"},
    }
    body = {"team": "physics", "kind": "artifacts", "mark": dry_run(team).mark}
    answer = ada.post("/api/v1/cleanup/move", body, **send)
    assert answer.status_code == 202, answer.content
    (task,) = ada.get("/api/v1/cleanup/tasks", **send).json()["items"]
    assert task == answer.json()
    assert (task["words"], task["problem"]) == ("Move to trash: artifacts", "")
    tasks.run_tasks()
    item = TrashItem.objects.get()
    restored = ada.post(f"/api/v1/trash/{item.pk}/restore", **send)
    assert restored.json()["words"] == f"Restore {sweep.label}"


def test_a_job_that_is_killed_in_the_middle_is_continued_in_one_item(
    team: Team, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.move_later(dry_run(team), actor=factories.user("ada"))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trash, "report", killed)
        tasks.run_tasks()
    assert TrashItem.objects.get().files == 2
    tasks.run_tasks()
    item = TrashItem.objects.get()
    assert (item.files, item.trials, item.bytes) == (5, 5, 50)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trash, "report", killed)
        trash.restore(item, actor=None)
    assert Artifact.objects.count() == 3
    trash.restore(item, actor=None)
    assert Artifact.objects.count() == FILES + 1


def test_what_cannot_be_done_is_said_on_the_page(team: Team, sweep: Sweep) -> None:
    task = tasks.move_later(dry_run(team), actor=factories.user("ada"))
    assert task is not None
    CleanupTask.objects.update(selection={"kind": "artifacts", "sweep": 999})
    tasks.run_tasks()
    assert "Team Physics has no sweep 999." in page(client_of("ada"), "/cleanup/")
    CleanupTask.objects.update(created_at=timezone.now() - timedelta(days=2))
    tasks.resume_tasks()
    assert not CleanupTask.objects.exists()


def test_the_job_moves_only_what_was_there_when_it_was_confirmed(
    team: Team, sweep: Sweep
) -> None:
    running = factories.sweep(team, state="running")
    for value in range(3):
        trial = factories.trial(running, state="completed", value=value)
        Artifact.objects.create(
            attempt=trial.current_attempt, path="a.pt", size=10, sha256="0" * 64
        )
    tasks.move_later(dry_run(team), actor=factories.user("ada"))
    Sweep.objects.filter(pk=running.pk).update(
        state="completed", ended_at=timezone.now()
    )
    sweep.trials.filter(number=0).update(ended_at=timezone.now())
    tasks.run_tasks()
    item = TrashItem.objects.get()
    assert (item.sweep, item.files) == (sweep, FILES - 1)


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "member"}])
def test_the_job_asks_again_whether_the_person_may_do_it(
    team: Team, sweep: Sweep, change: dict[str, Any]
) -> None:
    ada = factories.user("ada")
    tasks.move_later(dry_run(team), actor=ada)
    rows: Any = ada.memberships if "role" in change else User.objects.filter(pk=ada.pk)
    rows.update(**change)
    tasks.run_tasks()
    assert not TrashItem.objects.exists()
    problem = CleanupTask.objects.get().problem
    assert problem == "Only admins of team Physics may do that."


def test_the_files_of_runs_do_not_continue_an_item_of_a_sweep(
    team: Team, sweep: Sweep
) -> None:
    fields: dict[str, Any] = {"experiment": sweep.experiment, "team": team}
    begun = TrashItem.objects.create(kind="artifacts", sweep=sweep, **fields)
    run = factories.run(team)
    assert run.experiment == sweep.experiment
    file = Artifact.objects.create(
        attempt=run.current_attempt, path="a.pt", size=10, sha256="0" * 64
    )
    files = Artifact.objects.filter(pk=file.pk)
    item = trash.move_files(Removable.ARTIFACTS, files, sweep.experiment)
    assert item is not None and item != begun and item.sweep is None


def test_a_restore_that_fails_leaves_the_item_its_days(
    team: Team, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = move(dry_run(team), actor=None)

    def broken(_: TrashItem) -> None:
        raise OSError("full")

    monkeypatch.setattr(trash, "_restore_files", broken)
    with pytest.raises(OSError, match="full"):
        trash.restore(item, actor=None)
    item.refresh_from_db()
    assert item.until is not None
    # A killed job left it without an end, and nobody may continue it.
    TrashItem.objects.update(until=None)
    tasks.restore_later(item, actor=None)
    tasks.run_tasks()
    item.refresh_from_db()
    assert item.until is not None


def test_a_small_move_is_done_at_once(
    team: Team, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MAX_AT_ONCE", 5)
    plan = dry_run(team)
    assert tasks.move_later(plan, actor=None) is None
    (item,) = move(plan, actor=None)
    assert tasks.restore_later(item, actor=None) is None
