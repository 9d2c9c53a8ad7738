"""What was moved to the trash is hidden, and deleted by a job on the site's queue."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis import Redis
from rq import SimpleWorker
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from experiments import access, lifecycle, storage
from experiments.cleanup import purge, trash
from experiments.code import snapshots
from experiments.management.commands.scheduler import Rounds
from experiments.models import (
    Artifact,
    Attempt,
    CodeSnapshot,
    Event,
    Removable,
    Run,
    Sweep,
    TrashItem,
    Trial,
)
from experiments.queues import site_jobs, workers
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    return tmp_path


@pytest.fixture
def sweep() -> Sweep:
    return ended_sweep()


def test_runs_go_after_their_days_in_the_trash(home: Path) -> None:
    team = factories.team(ada="admin")
    old, new, kept = (factories.run(team) for _ in range(3))
    nested = factories.run(team, parent=old)
    for run, days in ((old, -1), (new, 1)):
        lifecycle.trash_run(run, actor=factories.user("ada"))
        until = timezone.now() + timedelta(days=days)
        TrashItem.objects.filter(trial=run).update(until=until)
    folder = storage.log_path(old.current_attempt_id or 0).parent
    storage.append_log(old.current_attempt_id or 0, b"hello")
    factories.report(old, [0.5])
    purge.purge_trash()
    assert set(Trial.objects.all()) == {new, kept, nested}
    assert not folder.exists()
    assert Run.objects.get(trial=nested).parent is None


def ended_sweep() -> Sweep:
    """A sweep with a trial, its files, its code and a recording."""
    team = factories.team(ada="admin")
    factories.user("ada")
    sweep = factories.sweep(team)
    digest = f"{sweep.pk:064}"
    code = CodeSnapshot.objects.create(team=team, digest=digest, size=3)
    storage.write_whole(storage.code_path(digest), [b"zip"])
    storage.keep_recording(sweep.pk, "1.2.", b"npz")
    trial = factories.reported_trial(sweep, [0.1, 0.2], state="completed")
    attempt = trial.current_attempt
    assert attempt is not None
    storage.append_log(attempt.pk, b"hello")
    Attempt.objects.filter(pk=attempt.pk).update(log_bytes=5)
    Artifact.objects.create(attempt=attempt, path="model", size=1, sha256="0" * 64)
    Sweep.objects.filter(pk=sweep.pk).update(state="completed", code=code)
    sweep.refresh_from_db()
    return sweep


def request(*sweeps: Sweep) -> None:
    chosen = Sweep.objects.filter(pk__in=[sweep.pk for sweep in sweeps])
    trash.move_sweeps(chosen, actor=factories.user("ada"))
    empty_trash()


def empty_trash() -> None:
    """As if the days of everything in the trash were over."""
    trash.delete_now(TrashItem.objects.all(), actor=None)


def work() -> None:
    """Run the jobs that wait, in this process."""
    queue = site_jobs.site_queue()
    worker = SimpleWorker(
        [queue], connection=queue.connection, serializer=JSONSerializer
    )
    worker.work(burst=True, logging_level="ERROR")


def files(home: Path) -> list[str]:
    found = (path for path in (home / "store").rglob("*") if path.is_file())
    return sorted(path.relative_to(home / "store").parts[0] for path in found)


def test_a_deleted_sweep_is_hidden_at_once(sweep: Sweep) -> None:
    other, trial = ended_sweep(), sweep.trials.get()
    request(sweep)
    ada = factories.user("ada")
    assert list(access.sweeps_for(ada)) == [other]
    assert [each.sweep for each in access.trials_for(ada)] == [other]
    assert list(sweep.experiment.sweeps.all()) == [other]
    client = Client()
    client.force_login(ada)
    for page in (sweep, trial):
        assert client.get(page.get_absolute_url()).status_code == 404
    assert Sweep.all_objects.count() == 2


def test_a_deleted_sweep_neither_resumes_nor_gives_its_number_away(
    sweep: Sweep,
) -> None:
    request(sweep)
    assert not lifecycle.resume_sweep(sweep)
    assert not lifecycle.extend_sweep(sweep, 5)
    assert sweep.experiment.next_number() == sweep.number + 1


def test_the_job_deletes_rows_and_files(sweep: Sweep, home: Path) -> None:
    other = ended_sweep()
    request(sweep)
    assert files(home) == ["attempts", "attempts", "code", "code", *["recordings"] * 2]
    purge.purge_trash()
    assert list(Sweep.all_objects.all()) == [other]
    assert Trial.objects.count() == Artifact.objects.count() == 1
    assert CodeSnapshot.objects.count() == 1
    assert files(home) == ["attempts", "code", "recordings"]
    event = Event.objects.get(verb="sweep moved to trash")
    assert event.actor == factories.user("ada")
    assert event.message.startswith(f"{sweep.label}, ")


def test_events_stay_with_the_names_of_what_is_gone(sweep: Sweep) -> None:
    ada, label = factories.user("ada"), sweep.label
    event = Event.log("sweep changed", actor=ada, trial=sweep.trials.get())
    request(sweep)
    with CaptureQueriesContext(connection) as queries:
        purge.purge_trash()
    ada.delete()
    # Only that of the purge is added: however many there are, they cost nothing.
    changed = re.compile('(UPDATE|DELETE FROM) "experiments_event"')
    assert not [q["sql"] for q in queries if changed.match(q["sql"])]
    event.refresh_from_db()
    assert (event.object_name, event.sweep_id) == (f"{label}/0", sweep.pk)
    assert (event.who, event.team_name) == ("ada", sweep.experiment.team.name)
    shown = Event.objects.select_related("trial", "sweep", "actor").get(pk=event.pk)
    assert shown.trial is shown.sweep is shown.actor is None


def test_code_of_another_sweep_stays(sweep: Sweep, home: Path) -> None:
    other = ended_sweep()
    assert sweep.code is not None
    Sweep.objects.filter(pk=other.pk).update(code=sweep.code)
    request(sweep)
    purge.purge_trash()
    assert CodeSnapshot.objects.filter(pk=sweep.code.pk).exists()
    assert storage.code_path(sweep.code.digest).exists()


def test_deletion_works_while_the_queue_is_down(
    sweep: Sweep, no_queue: None, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        request(sweep)
    assert not Sweep.objects.exists() and Sweep.all_objects.exists()
    purge.resume_purge()


@pytest.fixture
def requested(
    sweep: Sweep, redis: Redis, django_capture_on_commit_callbacks: Any
) -> Sweep:
    """A sweep whose deletion is requested, and the job enqueued."""
    with django_capture_on_commit_callbacks(execute=True):
        request(sweep)
    assert site_jobs.site_queue().job_ids == ["purge"]
    return sweep


def test_a_worker_takes_it_from_the_queue_at_once(requested: Sweep) -> None:
    work()
    assert not Sweep.all_objects.exists()
    purge.resume_purge()
    assert site_jobs.site_queue().job_ids == []


def test_a_flushed_queue_only_delays(
    requested: Sweep, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = "experiments.management.commands.scheduler"
    monkeypatch.setattr(f"{scheduler}.close_old_connections", lambda: None)
    redis.flushall()
    Rounds().round()
    waiting = ["purge", "compaction", "measure"]
    assert site_jobs.site_queue().job_ids == waiting
    purge.resume_purge()
    assert site_jobs.site_queue().job_ids == waiting
    work()
    assert not Sweep.all_objects.exists()


def test_a_worker_that_is_killed_in_between_only_delays(
    requested: Sweep, redis: Redis, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed once its files are gone and before its rows are."""
    queue = site_jobs.site_queue()
    job = queue.fetch_job("purge")
    assert job is not None
    queue.remove(job)
    job.set_status(JobStatus.STARTED)
    redis.zadd(queue.started_job_registry.key, {f"{job.id}:1": 1})
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Sweep.all_objects, "filter", _killed(Sweep.all_objects.filter))
        purge.purge_trash()
    assert Sweep.all_objects.exists() and files(home) == ["code"]
    purge.resume_purge()
    work()
    assert not Sweep.all_objects.exists() and files(home) == []


def _killed(real: Callable[..., Any]) -> Callable[..., Any]:
    def stand_in(**fields: Any) -> Any:
        if "pk" in fields:
            raise SystemExit
        return real(**fields)

    return stand_in


def test_one_failure_does_not_keep_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = ended_sweep(), ended_sweep()
    request(first, second)
    real = storage.delete_recordings

    def full_disk(sweep_id: int) -> None:
        if sweep_id == first.pk:
            raise OSError("input/output error")
        real(sweep_id)

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(storage, "delete_recordings", full_disk)
        purge.purge_trash()
    assert list(Sweep.all_objects.all()) == [first]
    assert "cannot be deleted; it is tried again" in caplog.text
    purge.purge_trash()
    assert not Sweep.all_objects.exists()


def test_the_job_reports_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    request(ended_sweep(), ended_sweep())
    said: list[tuple[float, str]] = []
    monkeypatch.setattr(site_jobs, "report_progress", lambda *args: said.append(args))
    purge.purge_trash()
    assert [share for share, _ in said] == sorted(share for share, _ in said)
    assert said[-1] == (16 / 18, "digits-1, 16 B of 18 B")


def test_files_of_trials_are_deleted_by_the_job_too(sweep: Sweep, home: Path) -> None:
    trial, attempt = sweep.trials.get(), Attempt.objects.get()
    trash.move_trial_files(sweep.trials.all(), actor=None)
    assert storage.read_log(attempt.pk) == b"hello"
    purge.purge_trash()
    assert storage.read_log(attempt.pk) == b"hello"
    empty_trash()
    purge.purge_trash()
    trial.refresh_from_db()
    assert trial.outputs_removed_at is not None
    assert files(home) == ["code", "recordings"]
    assert not Artifact.all_objects.exists() and not TrashItem.objects.exists()
    assert trash.move_trial_files(sweep.trials.all(), actor=None) == []
    verbs = Event.objects.filter(verb__endswith="trash").values_list("verb", flat=True)
    assert sorted(verbs) == [
        *("artifacts moved to trash", "deleted from trash", "deleted from trash"),
        "logs moved to trash",
    ]


def test_what_runs_is_not_deleted() -> None:
    running = factories.sweep(factories.team(ada="admin"))
    factories.user("ada")
    with pytest.raises(trash.StillRunning, match=r"not over yet\. Cancel first"):
        request(running)
    stopping = factories.trial(running)
    Sweep.objects.update(state="cancelled")
    with pytest.raises(trash.StillRunning):
        request(running)
    with pytest.raises(trash.StillRunning):
        trash.move_trial_files(Trial.objects.filter(pk=stopping.pk), actor=None)
    purge.purge_trash()
    assert Trial.objects.exists()


def test_a_job_with_arguments_of_a_stranger_is_refused(redis: Redis) -> None:
    """Worker hosts can write to the queue: they cannot name what is deleted."""
    job = site_jobs.site_queue().enqueue_call(site_jobs.PURGE, args=(1,))
    with pytest.raises(workers.RefusedJob):
        workers.site_worker().refuse_foreign(job)


@pytest.mark.django_db
def test_files_that_wait_to_be_deleted_are_out_of_reach() -> None:
    trial = factories.trial(factories.sweep(factories.team(ada="viewer")))
    factories.claim(trial)
    attempt = trial.current_attempt
    Artifact.objects.create(attempt=attempt, path="model.npz", size=1, sha256="0" * 64)
    ada = factories.user("ada")
    assert access.artifacts_for(ada).count() == 1
    item = TrashItem.add(Removable.ARTIFACTS, "digits-1", trial.experiment.team_id)
    Artifact.objects.update(trash=item)
    assert access.artifacts_for(ada).count() == 0


class TestWhatWaitsToBeDeleted:
    """It is out of reach from the moment of the request, whenever the job runs."""

    @pytest.fixture
    def client(self) -> Client:
        root = factories.user("root", is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(root)
        return client

    @pytest.mark.parametrize(
        "name",
        ["sweep", "trial", "attempt", "artifact", "metric", "codesnapshot"],
    )
    def test_the_admins_lists_do_not_show_it(
        self, sweep: Sweep, client: Client, name: str
    ) -> None:
        url = f"/admin/experiments/{name}/"
        assert client.get(url).context["cl"].result_count > 0
        request(sweep)
        assert not client.get(url).context["cl"].result_list

    def test_it_does_not_count(self, sweep: Sweep, client: Client) -> None:
        request(sweep)
        page = client.get("/experiments/")
        (experiment,) = page.context["page"].object_list
        assert experiment.sweep_count == 0
        assert experiment.changed_at == experiment.created_at

    def test_its_code_is_gone_until_it_is_stored_again(self, sweep: Sweep) -> None:
        team, ada = sweep.experiment.team, factories.user("ada")
        code = snapshots.store_files(team, {"train.py": b"1"}, user=ada)
        Sweep.objects.filter(pk=sweep.pk).update(code=code)
        request(sweep)
        assert not access.code_for(ada).filter(pk=code.pk).exists()
        assert snapshots.store_files(team, {"train.py": b"1"}, user=ada) == code
        assert access.code_for(ada).filter(pk=code.pk).exists()
        purge.purge_trash()
        assert access.code_for(ada).filter(pk=code.pk).exists()
        assert storage.code_path(code.digest).exists()

    def test_events_and_files_of_trials(self, sweep: Sweep, client: Client) -> None:
        trial = sweep.trials.get()
        token = factories.api_token(factories.user("ada"))
        bearer = {"Authorization": f"Bearer {token}"}
        urls = (f"/trials/{trial.pk}/log", f"/api/v1/trials/{trial.pk}/log")

        def logs() -> set[bytes]:
            return {client.get(url, headers=bearer).content for url in urls}

        assert logs() == {b"hello"}
        trash.move_trial_files(sweep.trials.all(), actor=None)
        assert logs() == {b""}
        assert b"was removed" in client.get(trial.get_absolute_url()).content
        assert access.events_for(factories.user("ada")).exists()
        request(sweep)
        assert not access.events_for(factories.user("ada")).filter(sweep=sweep).exists()


def test_other_jobs_of_the_site_do_not_wait_for_it(
    requested: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "MAX_SEGMENTS", 1)
    site_jobs.site_queue().enqueue_call(f"{__name__}.note", job_id="short")
    NOTED.clear()
    work()
    assert NOTED == [True]
    assert not Sweep.all_objects.exists()
    assert site_jobs.site_queue().fetch_job("purge") is None


def test_a_step_loads_no_trial_and_needs_the_same_statements_for_any_number() -> None:
    sweep = factories.sweep(factories.team())

    def statements(count: int) -> int:
        for _ in range(count):
            factories.reported_trial(sweep, [0.1], state="completed")
        with CaptureQueriesContext(connection) as queries:
            purge._delete_batch(sweep.trials.all())
        assert not Attempt.objects.exists()
        return len(queries)

    few = statements(1)
    assert statements(20) == few < 30


NOTED: list[bool] = []


def note() -> None:
    """A short job: whether the sweep was still there when it ran."""
    NOTED.append(Sweep.all_objects.exists())


class TestRacesWithTheSitesWorker:
    def test_recordings_that_are_deleted_while_others_are_kept(
        self, home: Path
    ) -> None:
        over = threading.Event()

        def delete() -> None:
            while not over.is_set():
                for pk in range(20):
                    storage.delete_recordings(pk)

        deleting = threading.Thread(target=delete)
        deleting.start()
        try:
            for n in range(300):
                storage.keep_recording(n % 20, "1.2.", b"npz")
        finally:
            over.set()
            deleting.join()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite lets one writer in at a time"
    )
    def test_code_that_another_team_uploads_meanwhile_keeps_its_archive(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = {"train.py": b"1"}
        old = snapshots.store_files(factories.team("Old"), files, user=None)
        other, began, delete = (
            factories.team("New"),
            threading.Event(),
            storage.delete_code,
        )

        def slow(digest: str) -> int:
            began.set()
            time.sleep(0.5)
            return delete(digest)

        def upload() -> None:
            began.wait(10)
            snapshots.store_files(other, files, user=None)
            connection.close()

        monkeypatch.setattr(storage, "delete_code", slow)
        trash.move_code(CodeSnapshot.objects.all(), team_id=old.team_id)
        empty_trash()
        uploading = threading.Thread(target=upload)
        uploading.start()
        purge.purge_trash()
        uploading.join()
        assert CodeSnapshot.objects.get().team == other
        assert storage.code_path(old.digest).exists()

    def test_a_file_that_is_deleted_while_it_is_opened(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once a request has seen it: a 404, not an error of the server."""
        file = Artifact.objects.get()
        path = storage.output_path(file.attempt_id, file.sha256)
        path.write_bytes(b"x")
        client, real = Client(), Path.exists
        client.force_login(factories.user("ada"))
        url = f"/trials/{sweep.trials.get().pk}/outputs/{file.pk}/"
        assert client.get(url).status_code == 200
        monkeypatch.setattr(Path, "exists", lambda it: it == path or real(it))
        path.unlink()
        assert client.get(url).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_late_deletions_take_one_query(
    sweep: Sweep, django_assert_num_queries: Any
) -> None:
    trash.move_trial_files(sweep.trials.all(), actor=None)
    request(sweep)
    with django_assert_num_queries(1):
        assert purge.late_deletions(timezone.now() + timedelta(minutes=1)) == 3
