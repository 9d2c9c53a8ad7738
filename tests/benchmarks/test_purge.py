"""100,000 trials are deleted for good while pages answer in under a second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]
ROOT = Path(__file__).resolve().parents[2]
TRIALS = int(os.environ.get("PURGED_TRIALS", "100000"))
MAX_SECONDS = 1.0

FILL = """
from django.db import transaction
from django.db.models.functions import Now
from experiments.cleanup import trash
from experiments.models import Attempt, Metric, Sweep, Trial, TrashItem
from tests import factories
team = factories.team(ada="admin")
sweep, other = (factories.sweep(team, state="completed") for _ in range(2))
for start in range(0, {trials}, 10_000):
    with transaction.atomic():
        trials = Trial.objects.bulk_create(
            Trial(experiment_id=sweep.experiment_id, sweep=sweep, number=number,
                  params={{"x": number}}, state="completed", value=number)
            for number in range(start, start + 10_000)
        )
        attempts = Attempt.objects.bulk_create(
            Attempt(trial=trial, n=1, pool_id=sweep.pool_id, state="finished")
            for trial in trials
        )
        Metric.objects.bulk_create(
            Metric(attempt=attempt, name="accuracy", count=1) for attempt in attempts
        )
trash.move_sweeps(Sweep.objects.filter(pk=sweep.pk), actor=None)
TrashItem.objects.update(until=Now())
"""
DELETE = """
import time
from experiments.cleanup import purge
held, began = [0.0], time.process_time()
def timed(rows, delete=purge._delete_batch):
    before = time.monotonic()
    delete(rows)
    held.append(time.monotonic() - before)
purge._delete_batch = timed
purge.purge_trash()
print(time.process_time() - began, max(held))
"""
LOOK = """
import time
from django.conf import settings
from django.test import Client
from experiments.models import Event, Sweep, Trial, User
settings.ALLOWED_HOSTS = ["*"]
client, sweep = Client(), Sweep.objects.get()
client.force_login(User.objects.get(username="ada"))
urls = ("/", "/cleanup/", sweep.get_absolute_url())
def slowest():
    found = 0.0
    for url in urls:
        before = time.monotonic()
        assert client.get(url, secure=True).status_code == 200
        found = max(found, time.monotonic() - before)
    before = time.monotonic()
    Event.log("written")
    found = max(found, time.monotonic() - before)
    time.sleep(0.1)
    return found
slowest()
usual = max(slowest() for _ in range(20))
print("ready", flush=True)
began, first, worst = time.monotonic(), Trial.objects.count(), 0.0
while Trial.objects.filter(sweep__number=1).exists():
    worst = max(worst, slowest())
took = time.monotonic() - began
print(f"{first} trials, {took:.0f} s, slowest {usual:.3f} {worst:.3f}")
"""


def test_pages_answer_while_100000_trials_are_deleted(
    tmp_path: Path, queue_url: str
) -> None:
    environment = {
        **os.environ,
        "REDIS_URL": queue_url,
        "SWEEPSITE_HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "sweepsite.settings",
    }

    def manage(*args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *args],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
        )

    for args in (
        ("migrate", "-v0"),
        ("collectstatic", "--noinput", "-v0"),
        ("shell", "-v0", "-c", FILL.format(trials=TRIALS)),
    ):
        assert manage(*args).wait() == 0
    pages = manage("shell", "-v0", "-c", LOOK)
    assert pages.stdout is not None and pages.stdout.readline() == "ready\n"
    job = manage("shell", "-v0", "-c", DELETE)
    said, _ = pages.communicate()
    spent, _ = job.communicate()
    assert pages.returncode == job.returncode == 0
    seconds, held = map(float, spent.split()[-2:])
    print(f"{said.strip()}, {1_000 * seconds / TRIALS:.3f} s of CPU per 1,000 trials")
    print(f"longest transaction {held:.3f} s")
    # On a busy machine, pages are slow without any deletion too.
    usual, slowest = map(float, said.split()[-2:])
    assert slowest < max(MAX_SECONDS, 2 * usual)
