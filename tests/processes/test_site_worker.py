"""The site's own worker as a process: its jobs end, also when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from experiments.queues import site_jobs
from experiments.queues.site_jobs import SiteJob
from tests.notifications.conftest import Receiver, receiver
from tests.processes.running_site import ROOT, new_database, wait_for

__all__ = ["receiver"]

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

POLICY = json.dumps([json.dumps({"type": "median_stopping"})])
FILL = """
from django.db.models.functions import Now
from experiments import storage
from experiments.cleanup import trash
from experiments.models import Sweep, TrashItem
from experiments.tracking.recordings import mark_of
from tests import factories
kept, gone = (factories.sweep(factories.team()) for _ in range(2))
for sweep in (kept, gone):
    for level in range(4):
        trial = factories.reported_trial(sweep, [level] * 40, state="completed")
        storage.append_log(trial.current_attempt_id, b"hello")
Sweep.objects.update(state="completed")
trash.move_sweeps(Sweep.objects.filter(pk=gone.pk), actor=None)
TrashItem.objects.update(until=Now())
print(kept.pk, mark_of(kept))
"""
LEFT = """
from experiments.models import Sweep, Trial
from tests import factories
print(Sweep.all_objects.get(), Trial.objects.count(), factories.point_count())
"""
# Orders of a simulation that takes some seconds.
LONG = 3_000


class Home:
    """A data folder with two sweeps, one of which waits to be deleted."""

    def __init__(self, folder: Path, queue_url: str) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "SWEEPSITE_HOME": str(folder),
            "REDIS_URL": queue_url,
            "DJANGO_SETTINGS_MODULE": "sweepsite.settings",
        }
        if server := os.environ.get("TEST_DATABASE_URL"):
            self.environment["DATABASE_URL"] = new_database(server)
        self.manage("migrate")
        self.sweep, self.mark = self.manage("shell", "-v0", "-c", FILL).split()[-2:]

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.check_output(
            command, cwd=ROOT, env=self.environment, text=True
        )

    @contextmanager
    def worker(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "manage.py", "worker", "--site"]
        environment = {**self.environment, **more}
        with subprocess.Popen(command, cwd=ROOT, env=environment) as worker:
            try:
                yield worker
            finally:
                worker.kill()

    def simulation(self, orders: int) -> SiteJob:
        return site_jobs.ensure_job(
            site_jobs.SIMULATE,
            *(int(self.sweep), self.mark, POLICY, orders, 1_000),
            job_id=f"simulation-{orders}",
            keep=60,
            wanted=60,
        )

    def logs(self) -> int:
        return len(list(self.folder.glob("store/attempts/*/log")))


def deletion() -> SiteJob:
    return site_jobs.ensure_job(site_jobs.PURGE, job_id="purge", keep=0, wanted=60)


def silence(redis: Redis) -> None:
    """As if a killed worker had been silent for 20 seconds."""
    for each in redis.zrange(site_jobs.site_queue().started_job_registry.key, 0, -1):
        redis.zadd(site_jobs.site_queue().started_job_registry.key, {each: 1})


def test_its_jobs_end_although_it_is_killed(
    redis: Redis, queue_url: str, tmp_path: Path
) -> None:
    home = Home(tmp_path, queue_url)
    with home.worker() as first:
        wait_for(lambda: home.simulation(1).ended, "a short simulation")
        assert home.simulation(1).result["answers"]
        wait_for(lambda: home.simulation(LONG).done > 0, "a long simulation to run")
        first.send_signal(signal.SIGKILL)
        first.wait()
    silence(redis)
    once = {"SWEEPSITE_FAILPOINT_ONCE": str(tmp_path)}
    with home.worker(SWEEPSITE_FAILPOINT="deletion.files", **once):
        wait_for(lambda: home.simulation(LONG).ended, "the long simulation")
        assert home.simulation(LONG).result["answers"]
        deletion()
        wait_for((tmp_path / "deletion.files").exists, "the deletion to be killed")
    assert home.logs() == 4
    silence(redis)
    deletion()
    with home.worker():
        fetch = site_jobs.site_queue().fetch_job
        wait_for(lambda: fetch("purge") is None, "the deletion")
    assert home.logs() == 4
    assert home.manage("shell", "-v0", "-c", LEFT).split()[-3:] == [
        *("digits-1", "4", "160"),
    ]


TELL = """
import sys
from experiments import lifecycle
from experiments.models import NotificationChannel, Sweep
from experiments.notifications.channels import ChannelRequest, create_webhook
from tests import factories
ada, sweep = factories.user("ada"), Sweep.objects.get()
wanted = ChannelRequest("webhook", "ours", "{url}", ["failed"])
create_webhook(sweep.experiment.team, wanted, actor=ada)
Sweep.objects.update(state="running")
lifecycle.fail_sweep(Sweep.objects.get(), reason="all_failed", message="All failed.")
"""
# As if the time had come at which another process may try it.
HURRY = """
from django.db.models.functions import Now
from experiments.models import NotificationDelivery
NotificationDelivery.objects.filter(state="waiting").update(due_at=Now())
print(*NotificationDelivery.objects.filter(channel__kind="webhook").values_list(
    "state", "tries").get())
"""


@pytest.mark.slow
def test_a_notification_outlives_the_process_that_sends_it(
    redis: Redis, queue_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """Killed after the host has it: the same comes again, with the same id."""
    home = Home(tmp_path, queue_url)
    home.manage("shell", "-v0", "-c", TELL.replace("{url}", receiver.url))
    die = {
        "SWEEPSITE_FAILPOINT": "notification.sent",
        "SWEEPSITE_FAILPOINT_ONCE": str(tmp_path),
    }

    def send() -> None:
        site_jobs.ensure_later(site_jobs.NOTIFY, job_id="notifications", every=60)

    with home.worker(**die):
        send()
        wait_for((tmp_path / "notification.sent").exists, "the job to be killed")
        assert home.manage("shell", "-v0", "-c", HURRY).split() == ["waiting", "1"]
        silence(redis)
        wait_for(lambda: send() or len(receiver.got) == 2, "the second try")
        fetch = site_jobs.site_queue().fetch_job
        wait_for(lambda: fetch("notifications") is None, "the job's end")
    assert home.manage("shell", "-v0", "-c", HURRY).split() == ["sent", "2"]
    first, second = receiver.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert first[1] == second[1]
