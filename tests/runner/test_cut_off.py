"""A runner that hears nothing from the site ends its training before its lease does."""

from __future__ import annotations

import time
from typing import Any

import pytest

QUICK = {"lease_seconds": 1.2, "heartbeat_seconds": 0.1}


def test_a_silent_site_ends_the_training_within_the_lease(
    runners: Any, site: Any
) -> None:
    runner = runners.start("train_ignores_stop", **QUICK)
    runners.wait_for_word("START")
    site.wait_for(lambda: len(site.beats) >= 2)
    site.hang = True
    began = time.monotonic()
    while runners.alive():
        assert time.monotonic() - began < 5
        time.sleep(0.01)
    assert time.monotonic() - began < 1.2 + 0.3
    site.hang = False
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "cut_off"
    assert "nothing was heard from the site for 1.08 s" in site.finish["message"]


def test_it_rides_on_when_the_document_says_so(runners: Any, site: Any) -> None:
    runner = runners.start("train_hang", when_cut_off="ride_out", **QUICK)
    runners.wait_for_word("START")
    site.hang = True
    time.sleep(2.0)
    assert runners.alive()
    site.hang = False
    runner.terminate()
    assert runner.wait(timeout=10) == 0
    assert site.finish["cause"] == "released"


def test_a_site_that_is_down_is_no_cut(runners: Any, site: Any) -> None:
    runner = runners.start("train_hang", **QUICK)
    runners.wait_for_word("START")
    site.go_away()
    time.sleep(2.0)
    assert runners.alive(), "its host refuses, so nobody can take over"
    site.come_back()
    site.statuses["*"] = 503
    time.sleep(2.0)
    assert runners.alive()
    site.statuses.clear()
    runner.terminate()
    assert runner.wait(timeout=10) == 0
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
        assert time.monotonic() - began < 5
        time.sleep(0.01)
    site.hang = False
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "stopped", "the first cause counts"
    assert capfd.readouterr().err.count("stopping (cut_off)") == 1
