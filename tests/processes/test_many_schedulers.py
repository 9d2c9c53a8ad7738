"""Thousands of quick trials with four schedulers: no number twice, no trial too many.

python -m pytest -m slow tests/processes/test_many_schedulers.py
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from experiments.runner.errors import SiteAway, StaleAttempt
from experiments.runner.http import Connection
from tests.processes.running_site import RunningSite, running_site, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(1800)]
TRIALS = int(os.environ.get("QUICK_TRIALS", "2000"))
SLOTS, MOST = 16, 12


class Host:
    """A worker that takes its jobs as slots do, but ends its trials at once."""

    def __init__(self, site: RunningSite) -> None:
        token = site.manage("worker-token", "create", "--pool", "default").split()[-1]
        self.url = f"{site.url}/api/worker/v1"
        self.connection = Connection(self.url, token)
        self.redis_url = (site.home / "redis_url").read_text()
        told = {"name": "quick", "host": "quick", "pid": 1, "slots": SLOTS}
        self.worker = self.connection.send_json("hello", told)["worker"]
        self.running, self.most_running = 0, 0
        self.lock = threading.Lock()
        self.stopping = False
        self.threads = [
            threading.Thread(target=self._slot, args=(slot,)) for slot in range(SLOTS)
        ]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.stopping = True
        for thread in self.threads:
            thread.join(60)

    def _slot(self, slot: int) -> None:
        queue = Redis.from_url(self.redis_url)
        keys = [f"rq:queue:default@{self.worker}", "rq:queue:default"]
        while not self.stopping:
            if slot == 0:
                insist(self.connection, "beat", {"worker": self.worker})
            job = queue.blpop(keys, timeout=1)
            if isinstance(job, list | tuple):
                self._run(int(job[1].decode().rpartition("-")[2]), slot)

    def _run(self, attempt: int, slot: int) -> None:
        body = {"worker": self.worker, "slot": slot}
        try:
            spec = self.connection.send_json(f"attempts/{attempt}/claim", body)
        except StaleAttempt:
            return
        except SiteAway:
            # Won or not, nothing runs in the slot.
            insist(self.connection, "slots/idle", body)
            return
        with self.lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        runner = Connection(self.url, str(spec["runner_token"]))
        points = [{"name": "accuracy", "step": 1, "value": 0.5}]
        insist(runner, f"attempts/{attempt}/metrics", {"points": points})
        with self.lock:
            self.running -= 1
        end = {"cause": "exited", "exit_code": 0, "elapsed": 0.01}
        insist(runner, f"attempts/{attempt}/finish", end)


def insist(connection: Connection, action: str, body: dict[str, object]) -> None:
    """A busy site may not answer in time; it is then asked once more."""
    while True:
        try:
            connection.send_json(action, body)
        except SiteAway:
            time.sleep(0.5)
        else:
            return


@contextmanager
def more_schedulers(site: RunningSite, count: int) -> Iterator[None]:
    redis_url = (site.home / "redis_url").read_text()
    environment = {**site.environment, "REDIS_URL": redis_url}
    extra = [
        subprocess.Popen(
            site._manage("scheduler"), env=environment, stderr=subprocess.DEVNULL
        )
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in extra:
            process.terminate()
        for process in extra:
            process.wait(30)


def test_numbers_are_contiguous_and_the_budget_is_exact(tmp_path: Path) -> None:
    # The stand-in for a host does not beat while it runs something.
    lease = {"SWEEPSITE_LEASE_SECONDS": "600"}
    with (
        running_site(tmp_path / "home", slots=0, settings=lease) as site,
        more_schedulers(site, 3),
    ):
        limits = {"max_total_trials": TRIALS, "max_concurrent_trials": MOST}
        host = Host(site)
        began = time.monotonic()
        try:
            sweep = site.submit(limits=limits)
            wait_for(
                lambda: site.sweep(sweep)["state"] == "completed",
                "the sweep to complete",
                site.said,
                timeout=1500,
            )
        finally:
            host.stop()
        took = time.monotonic() - began
        print(f"{TRIALS} trials in {took:.0f} s, {TRIALS / took:.1f} a second")
        numbers = site.manage(
            "shell",
            "-v0",
            "-c",
            "from experiments.models import Trial, Attempt\n"
            "trials = Trial.objects.order_by('number')\n"
            "ended = Attempt.objects.filter(state='finished').count()\n"
            "print(*trials.values_list('number', flat=True), ended)",
        ).split()
        assert numbers == [*map(str, range(TRIALS)), str(TRIALS)]
        assert host.most_running <= MOST
