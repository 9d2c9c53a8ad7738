"""The site goes away while a trial runs: train on, lose nothing, double nothing."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import Any

import pytest

from experiments.runner.retry import HURRY

REPORTER = """
import sys, time
import sweepsite_client as sweep
for step in range(int(sys.argv[1])):
    sweep.log(step=step, loss=step / 10)
    time.sleep(0.01)
"""


def test_training_continues_and_everything_arrives_when_the_site_is_back(
    runners: Any, site: Any, wait_until: Any
) -> None:
    site.stop = None
    runner = runners.start("python", "-c", REPORTER, "100")
    site.wait_for(lambda: len(site.points) > 5)
    site.go_away()
    wait_until(runners.folder().spool.exists)
    wait_until(lambda: not runners.alive())
    assert runner.poll() is None
    site.come_back()
    assert runner.wait(timeout=30) == 0
    assert sorted(site.points) == [("loss", step) for step in range(100)]
    assert site.points[("loss", 99)] == 9.9
    assert site.finish["exit_code"] == 0


def test_the_client_sends_what_it_kept_once_the_site_answers(
    runners: Any, site: Any, wait_until: Any
) -> None:
    runner = runners.start("python", "-c", REPORTER, "150")
    site.wait_for(lambda: len(site.points) > 5)
    site.go_away()
    wait_until(runners.folder().spool.exists)
    site.come_back()
    assert runner.wait(timeout=30) == 0
    by_trial = [action for _, _, action in site.requests if action == "trial-metrics"]
    assert len(by_trial) > 50
    steps = [point["step"] for point in site.arrivals]
    assert set(steps) == set(range(150))
    # The site may have stored one report whose answer was cut.
    assert len(steps) <= 151, "nothing else was sent twice"
    assert steps == sorted(steps), "kept points come before new ones"


def test_output_of_an_outage_arrives_once_and_in_order(runners: Any, site: Any) -> None:
    command = "import time\nfor i in range(150): print(i, flush=True); time.sleep(0.01)"
    runner = runners.start("python", "-c", command)
    site.wait_for(lambda: site.log)
    site.go_away()
    with pytest.raises(subprocess.TimeoutExpired):
        runner.wait(timeout=1)
    site.come_back()
    assert runner.wait(timeout=30) == 0
    assert site.text().split() == [str(i) for i in range(150)]


def test_a_reply_that_was_lost_changes_nothing(runners: Any, site: Any) -> None:
    site.lose_replies = {"log", "trial-metrics", "artifacts", "heartbeat"}
    assert runners.run("train_ok", "5", "0.05") == 0
    assert site.lose_replies == set()
    assert site.text().count("trained\n") == 1
    assert sorted(site.points) == sorted(
        (name, step) for name in ("accuracy", "loss") for step in range(5)
    )


@pytest.mark.parametrize("status", [500, 502, 503, 429, 302])
def test_errors_of_the_site_are_outages_too(
    runners: Any, site: Any, status: int
) -> None:
    site.statuses["*"] = status
    runner = runners.start("train_ok")
    runners.wait_for_word("END")
    site.wait_for(lambda: len(site.requests) > 5)
    assert runner.poll() is None
    site.statuses.clear()
    assert runner.wait(timeout=30) == 0
    assert len(site.points) == 6
    assert site.finish["exit_code"] == 0


def test_a_proxy_s_own_page_is_not_taken_for_the_site_s_word(
    runners: Any, site: Any
) -> None:
    site.page = b"<html>404 not found, says the proxy</html>"
    runner = runners.start("train_ok", "3", "0.1")
    site.wait_for(lambda: len(site.requests) > 5)
    site.page = None
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0
    assert len(site.points) == 6


def test_a_site_that_hangs_delays_neither_output_nor_the_time_limit(
    runners: Any, site: Any
) -> None:
    site.hang = True
    runner = runners.start("train_floods_log", "600", trial_timeout=1.0, grace=0.2)
    runners.wait_for_word("START")
    started = time.monotonic()
    while runners.alive():
        assert time.monotonic() - started < 30
        time.sleep(0.01)
    site.hang = False
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "trial_timeout"


def test_a_delivery_that_never_succeeds_is_kept_and_said(
    runners: Any, site: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    site.statuses["finish"] = 503
    assert runners.run("train_ok", give_up_after=0.5) == 1
    assert (runners.folder().outputs / "model.txt").read_text() == "weights\n"
    assert f"it is kept in {runners.folder().root}" in capfd.readouterr().err


def test_a_refused_end_is_kept_and_said(runners: Any, site: Any) -> None:
    site.statuses["finish"] = 422
    assert runners.run("train_ok") == 1
    assert runners.folder().root.exists()


def test_heartbeats_continue_during_the_delivery(runners: Any, site: Any) -> None:
    site.statuses["finish"] = 503
    runner = runners.start("train_no_metric")
    site.wait_for(lambda: any(action == "finish" for _, _, action in site.requests))
    before = len(site.beats)
    site.wait_for(lambda: len(site.beats) >= before + 3)
    site.statuses.clear()
    assert runner.wait(timeout=30) == 0


def test_a_worker_that_stops_does_not_wait_for_an_absent_site(
    runners: Any, site: Any, wait_until: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """A first SIGTERM leaves ten seconds, a second one none."""
    runner = runners.start("train_hang")
    runners.wait_for_word("START")
    site.go_away()
    runner.send_signal(signal.SIGTERM)
    wait_until(lambda: "trying again" in capfd.readouterr().err, seconds=30)
    insists_since = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        runner.wait(timeout=0.5)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(timeout=30) == 1
    assert time.monotonic() - insists_since < 0.8 * HURRY


def test_points_that_the_site_refuses_do_not_hold_up_the_others(
    runners: Any, site: Any, wait_until: Any
) -> None:
    site.refused_names = {"odd"}
    site.statuses["trial-metrics"] = 503
    command = (
        "import sweepsite_client as s\n"
        "for i in range(40): s.log(step=i, loss=i, **({'odd': 1} if i == 17 else {}))"
    )
    assert runners.run("python", "-c", command) == 0
    assert sorted(site.points) == [("loss", step) for step in range(40)]
    assert "[sweepsite: points of 'odd' were refused: odd]" in site.text()
    assert site.finish["lost"] == []
