"""Any process may be killed at any time: every trial still ends exactly once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.running_site import RunningSite, running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

TRIALS = 8


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    with running_site(tmp_path_factory.mktemp("kills") / "home") as site:
        yield site


@pytest.fixture
def site(shared: RunningSite) -> RunningSite:
    """Started again where a test has ended it."""
    shared.settle()
    return shared


VICTIMS = {
    "web": ("gunicorn",),
    "scheduler": ("scheduler",),
    "slot": ("--only-slot", "0"),
    "worker": ("worker", "--slots"),
    "runner": ("trial-runner",),
    "queue": ("valkey-server",),
}


def start(site: RunningSite, witness: Path) -> int:
    """A sweep of short trials; two of them run when this returns."""
    sweep = site.submit(
        command="python train_curve.py --reports 10 --pause 0.1"
        " --height ${{search_space.x}}",
        environment={"WITNESS": str(witness)},
        limits={"max_total_trials": TRIALS, "max_concurrent_trials": 2},
    )
    wait_for(lambda: len(site.training()) >= 2, "two trials to run", site.said)
    return sweep


def victims(site: RunningSite, name: str) -> list[int]:
    return site.pids(*VICTIMS[name])


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_killed_process_costs_no_trial(
    site: RunningSite, victim: str, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    sweep = start(site, witness)
    killed = victims(site, victim)
    assert killed, f"no {victim} is running"
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: bool(set(victims(site, victim)) - set(killed)),
        f"a new {victim}",
        site.said,
    )
    site.wait_for_end(sweep)
    check_one_end_each(site, sweep, witness)


def test_a_killed_runner_leaves_no_daemon_and_the_site_hears_of_it_at_once(
    tmp_path: Path,
) -> None:
    # The lease is so long that only the worker's word can bring the second attempt.
    settings = {"SWEEPSITE_LEASE_SECONDS": "600"}
    with running_site(tmp_path / "home", settings=settings) as site:
        witness = tmp_path / "witness"
        sweep = site.submit(
            command="python train_daemon_grandchild.py wait",
            environment={"WITNESS": str(witness)},
            limits={"max_total_trials": 1, "max_concurrent_trials": 1},
            retries={"max_attempts": 2},
        )
        wait_for(lambda: len(started(witness)) == 2, "the daemon", site.said)
        first = started(witness)
        os.kill(site.pids("trial-runner")[0], signal.SIGKILL)
        wait_for(
            lambda: len(started(witness)) == 4,
            "a second attempt",
            lambda: site.story(sweep),
        )
        assert not set(first) & set(site.training())
        (second,) = site.pids("trial-runner")
        os.kill(second, signal.SIGKILL)
        site.wait_for_end(sweep)
        wait_for(lambda: not site.training(), "no process to be left", timeout=30)
        assert len(started(witness)) == 4


def started(witness: Path) -> list[int]:
    """The ids of the processes that have started."""
    if not witness.exists():
        return []
    lines = [line.split() for line in witness.read_text().splitlines()]
    return [int(pid) for word, _, pid, _ in lines if word == "START"]


def check_one_end_each(site: RunningSite, sweep: int, witness: Path) -> None:
    trials = site.trials(sweep)
    assert [trial["number"] for trial in trials] == list(range(TRIALS))
    assert {trial["state"] for trial in trials} == {"completed"}, site.story(sweep)
    assert all(trial["reports"] == 10 for trial in trials)
    for trial in trials:
        points = site.api("GET", f"/trials/{trial['id']}/metrics?name=accuracy")
        assert len(points["items"]) == 10
    lines = [line.split() for line in witness.read_text().splitlines()]
    attempts = Counter(attempt for word, attempt, *_ in lines if word == "START")
    assert set(attempts.values()) == {1}, "an attempt ran twice"
    ended = {attempt for word, attempt, *_ in lines if word == "END"}
    assert len(ended) >= TRIALS
    wait_for(lambda: not site.training(), "no process to be left", timeout=30)


def test_a_flushed_queue_costs_only_time(site: RunningSite, tmp_path: Path) -> None:
    from redis import Redis

    witness = tmp_path / "witness"
    sweep = start(site, witness)
    Redis.from_url((site.home / "redis_url").read_text()).flushall()
    site.wait_for_end(sweep)
    check_one_end_each(site, sweep, witness)


def remove_the_socket(site: RunningSite) -> None:
    (site.home / "queue.sock").unlink()


def freeze(site: RunningSite) -> None:
    os.kill(site.pids("valkey-server")[0], signal.SIGSTOP)


def remove_all_files(site: RunningSite) -> None:
    shutil.rmtree(site.home / "queue")
    remove_the_socket(site)


@pytest.mark.parametrize("fault", [remove_the_socket, freeze, remove_all_files])
def test_a_queue_that_cannot_be_reached_is_restarted(
    site: RunningSite, fault: Callable[[RunningSite], None], tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    sweep = start(site, witness)
    before = site.pids("valkey-server")
    fault(site)
    began = time.monotonic()
    wait_for(
        lambda: bool(set(site.pids("valkey-server")) - set(before)),
        "another queue",
        site.said,
    )
    print(f"restarted after {time.monotonic() - began:.1f} s")
    site.wait_for_end(sweep)
    check_one_end_each(site, sweep, witness)
    assert "queue has not answered for" in site.said()


def test_killing_the_supervisor_leaves_no_process(
    site: RunningSite, tmp_path: Path
) -> None:
    start(site, tmp_path / "witness")
    site.up.kill()
    site.up.wait()
    wait_for(lambda: not site.pids(), "all processes to end", timeout=30)
    wait_for(lambda: not site.training(), "all trainings to end", timeout=30)


@pytest.mark.parametrize("returns", ["at once", "as another worker"])
def test_trials_that_have_ended_are_not_run_again_after_the_supervisor_is_killed(
    site: RunningSite, tmp_path: Path, returns: str
) -> None:
    """The site is away when they end, so their end is only on the worker's disk."""
    witness = tmp_path / "witness"
    sweep = site.submit(
        command="python train_curve.py --reports 20 --pause 0.1"
        " --height ${{search_space.x}}",
        environment={"WITNESS": str(witness)},
        limits={"max_total_trials": 2, "max_concurrent_trials": 2},
    )
    wait_for(lambda: len(started(witness)) == 2, "two trials to run", site.said)
    # So that it does not start the web server again.
    site.up.send_signal(signal.SIGSTOP)
    for pid in victims(site, "web"):
        os.kill(pid, signal.SIGKILL)
    attempts = site.home / "worker" / "attempts"
    ends: list[Path] = []

    def have_ended() -> bool:
        ends[:] = attempts.glob("*/end.json")
        return len(ends) == 2

    wait_for(have_ended, "two ends on the disk")
    site.up.kill()
    site.up.wait()
    with contextlib.ExitStack() as stack:
        if returns == "as another worker":
            wait_for(lambda: not site.pids(), "all processes to end", timeout=60)
            stack.enter_context(taken_name(site))
        site.start()
        site.wait_for_end(sweep)
        for trial in site.trials(sweep):
            assert (trial["state"], trial["reports"]) == ("completed", 20)
            assert trial["attempts"] == 1, site.story(sweep)
            log = site.log(trial["id"])
            assert log.count("step 1 ") == log.count("step 20 ") == 1
        assert len(started(witness)) == 2, "a trial ran again"
        wait_for(
            lambda: not any(end.parent.exists() for end in ends),
            "the folders to be removed",
        )
        if returns == "as another worker":
            site.stop()


@contextlib.contextmanager
def taken_name(site: RunningSite) -> Iterator[None]:
    """Another process has the name of the site's worker, which gets the next one."""
    place = hashlib.sha256(f"{site.url} default".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"sweepsite-workers-{os.getuid()}"
    with (folder / f"{place}-1").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
