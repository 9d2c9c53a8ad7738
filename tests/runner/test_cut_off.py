"""A runner that hears nothing from the site ends its training before its lease does."""

from __future__ import annotations

import json
import math
import time
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.runner.outcome import Lease
from experiments.runner.spec import parse_spec
from experiments.runner.stopping import StopSignal
from experiments.runner.watch import Watch

QUICK = {"lease_seconds": 3.0, "heartbeat_seconds": 0.1}
# On a busy machine seconds are long: long enough to be no failure there, and shorter
# than what a training gets that waits for a request's end or for its whole grace.
IN_TIME = 9.0


def test_a_silent_site_ends_the_training_within_the_lease(
    runners: Any, site: Any
) -> None:
    runner = runners.start("train_ignores_stop", grace=600, **QUICK)
    runners.wait_for_word("START")
    site.wait_for(lambda: len(site.beats) >= 2)
    site.hang = True
    began = time.monotonic()
    while runners.alive():
        assert time.monotonic() - began < IN_TIME
        time.sleep(0.01)
    site.hang = False
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "cut_off"
    assert "the site did not answer for 2.7 s" in site.finish["message"]


def test_it_is_gone_when_the_lease_ends(runners: Any) -> None:
    """To the moment, by a clock of the test's own."""
    spec = parse_spec(
        json.dumps(
            runners.spec("true", grace=600, lease_seconds=100, heartbeat_seconds=5)
        )
    )
    lease, heartbeat = Lease(), SimpleNamespace(stop=None, stale=None)
    reached = lease.reached_at
    signals = SimpleNamespace(terminations=0)
    context = SimpleNamespace(
        **{"spec": spec, "folder": runners.folder(), "lease": lease},
        **{"signals": signals, "take_output": None},
        collectors=SimpleNamespace(next_time=lambda: math.inf),
    )
    watch = Watch(
        context,  # type: ignore[arg-type]
        SimpleNamespace(started_at=math.inf, output=0, errors=None),  # type: ignore[arg-type]
        heartbeat=heartbeat,  # type: ignore[arg-type]
        parent=0,
    )
    watch._check_lease(reached + 89.9)
    assert watch._stopping.cause is None
    assert watch._seconds_to_next() == pytest.approx(90, abs=5)
    watch._check_lease(reached + 90)
    assert watch._stopping.cause == "cut_off"
    assert watch._stopping.step(reached + 90) is StopSignal.ASK
    assert watch._stopping.step(reached + 99.9) is None
    assert watch._stopping.step(reached + 100.001) is StopSignal.KILL


def test_it_rides_on_when_the_document_says_so(runners: Any, site: Any) -> None:
    runner = runners.start("train_hang", when_cut_off="ride_out", **QUICK)
    runners.wait_for_word("START")
    site.hang = True
    time.sleep(3.5)
    assert runners.alive()
    site.hang = False
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "released"


def test_a_site_that_is_down_is_no_cut(runners: Any, site: Any) -> None:
    runner = runners.start("train_hang", **QUICK)
    runners.wait_for_word("START")
    site.go_away()
    time.sleep(3.5)
    assert runners.alive(), "its host refuses, so no other can take over"
    site.come_back()
    site.statuses["*"] = 503
    time.sleep(3.5)
    assert runners.alive()
    site.statuses.clear()
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "released"


def test_a_long_grace_ends_with_the_lease(
    runners: Any, site: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    runner = runners.start("train_ignores_stop", **QUICK)
    runners.wait_for_word("START")
    site.wait_for(lambda: len(site.beats) >= 2)
    site.stop = {"reason": "user", "message": "stopped by Ada", "grace": 600}
    site.wait_for(lambda: runners.folder().stop.exists())
    site.hang = True
    began = time.monotonic()
    while runners.alive():
        assert time.monotonic() - began < IN_TIME
        time.sleep(0.01)
    site.hang = False
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "stopped", "the first cause counts"
    assert capfd.readouterr().err.count("stopping (cut_off)") == 1
