"""Which worker is which, when several hosts or containers bear one name."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes.running_site import ROOT, RunningSite, running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

HOST = socket.gethostname()[:80]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    with running_site(tmp_path_factory.mktemp("names") / "home", slots=1) as site:
        wait_for(lambda: names(site) == [HOST], "the first worker", site.said)
        yield site


@pytest.fixture
def site(shared: RunningSite) -> RunningSite:
    """Started again where a test has ended it."""
    shared.settle()
    return shared


@contextmanager
def container(site: RunningSite, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that shares the host's name but sees none of its temporary files."""
    folder.mkdir(exist_ok=True)
    environment = site.environment | {
        "TMPDIR": str(folder),
        "SWEEPSITE_HOME": str(folder),
        "SWEEPSITE_URL": site.url,
        "SWEEPSITE_WORKER_TOKEN": site.manage(
            "worker-token", "create", "--pool", "default"
        ).split()[-1],
        "REDIS_URL": (site.home / "redis_url").read_text(),
    }
    command = [sys.executable, str(ROOT / "manage.py"), "worker"]
    worker = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)


def names(site: RunningSite) -> list[str]:
    query = "from experiments.models import Worker; print('names',"
    query += "*Worker.objects.order_by('pk').values_list('name', flat=True))"
    *_, last = site.manage("shell", "-c", query).splitlines()
    return last.split()[1:]


def test_a_killed_worker_comes_back_under_its_name(site: RunningSite) -> None:
    before = names(site)
    wait_for(lambda: bool(site.pids("--only-slot")), "a slot", site.said)
    slots = site.pids("--only-slot")
    os.kill(site.pids("worker", "--slots")[0], signal.SIGKILL)
    # A slot is started only after the worker has signed on again.
    wait_for(
        lambda: bool(set(site.pids("--only-slot")) - set(slots)),
        "a new slot",
        site.said,
    )
    assert names(site) == before


def test_containers_of_one_host_name_are_workers_of_their_own(
    site: RunningSite, tmp_path: Path
) -> None:
    before = names(site)
    both = [*before, f"{HOST}-{len(before) + 1}"]
    with container(site, tmp_path / "container"):
        wait_for(lambda: names(site) == both, "the second name", site.said)
