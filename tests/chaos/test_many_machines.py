"""Web, scheduler, queue, database and two worker hosts on machines of their own: one
worker host loses its network for longer than a lease, and gets it back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.machines import Machines, obstacle
from tests.chaos.oracle import Oracle
from tests.chaos.witnesses import overlaps, runs

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(400)]

LEASE = 6.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Machines]:
    if problem := obstacle():
        pytest.skip(problem)
    made = Machines(tmp_path / "site", hosts=2, slots=2)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("when_cut_off", ("stop", "ride_out"))
def test_a_host_that_is_cut_off_and_healed(site: Machines, when_cut_off: str) -> None:
    sweep = site.submit(
        "python train_chaos.py --reports 600 --pause 0.1",
        trials=2,
        # Of the other host's two slots one is free for the second attempt at once.
        at_once=2,
        retries={"when_cut_off": when_cut_off},
    )
    site.wait(lambda: len(site.training()) >= 2, "a training on each host")
    time.sleep(LEASE + 1)
    cut = site.pids("train_chaos", host="host-0")
    assert len(cut) == 1
    site.cut_off("host-0")
    site.wait(lambda: len(_started(site)) > 2, "a second attempt", 150)
    time.sleep(LEASE)
    assert bool(_alive(cut)) == (when_cut_off == "ride_out")
    site.heal("host-0")
    assert site.wait(lambda: not _alive(cut), "the stale process to end") < 15
    site.wait_for_end(sweep, timeout=240)
    oracle = Oracle(site, sweep)
    assert oracle.problems(budget=2) == []
    assert oracle.losses().total() == 1
    trial_of = {attempt.id: attempt.trial for attempt in oracle.attempts}
    overlap = overlaps(runs(site.witness), trial_of)
    assert bool(overlap) == (when_cut_off == "ride_out"), overlap


def _started(site: Machines) -> set[int]:
    """The attempts of which a process has begun, by its own account."""
    return {run.attempt for run in runs(site.witness)}


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
