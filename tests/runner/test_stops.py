"""Ways in which a running trial is ended from outside."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

STOP = {"reason": "policy", "message": "worse than the median", "grace": 0.5}


def test_a_stop_in_a_heartbeat_ends_the_process(runners: Any, site: Any) -> None:
    runner = runners.start("train_hang")
    runners.wait_for_word("START")
    site.stop = STOP
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "stopped"
    assert site.finish["signal"] == signal.SIGTERM
    assert site.finish["message"] == "worse than the median"
    assert site.text().endswith("[sweepsite: worse than the median]\n")
    assert not runners.alive()


def test_a_script_may_save_when_sigterm_comes(runners: Any, site: Any) -> None:
    runner = runners.start("train_handles_sigterm", grace=10)
    runners.wait_for_word("START")
    site.stop = {**STOP, "grace": 10}
    assert runner.wait(timeout=30) == 0
    assert (site.finish["cause"], site.finish["exit_code"]) == ("stopped", 0)
    assert site.artifacts == {"checkpoint.txt": b"worse than the median"}


def test_a_deaf_process_is_killed_after_its_grace_and_not_before(
    runners: Any, site: Any
) -> None:
    runner = runners.start("train_ignores_stop")
    runners.wait_for_word("START")
    started = time.monotonic()
    site.stop = {**STOP, "grace": 1.0}
    runner.wait(timeout=30)
    assert time.monotonic() - started >= 1.0
    assert site.finish["signal"] == signal.SIGKILL
    assert site.finish["cause"] == "stopped"
    assert not runners.alive()


def test_a_script_that_sees_a_stop_in_a_reply_may_save_before_sigterm(
    runners: Any, site: Any
) -> None:
    site.reply_stop = "worse than the median"
    runner = runners.start("train_saves_on_stop", "1.0", grace=10)
    runners.wait_for_word("ASKED")
    site.stop = {**STOP, "grace": 10}
    assert runner.wait(timeout=30) == 0
    assert runners.words() == ["START", "ASKED", "END"]
    assert site.finish["exit_code"] == 0
    assert site.finish["cause"] == "stopped"
    assert site.artifacts == {"checkpoint.txt": b"worse than the median"}


def test_one_that_leaves_before_the_runner_hears_of_it_was_stopped_too(
    runners: Any, site: Any
) -> None:
    site.reply_stop = "the sweep was paused"
    runner = runners.start("train_saves_on_stop", "0.0", heartbeat_seconds=30)
    assert runner.wait(timeout=30) == 0
    assert (site.finish["cause"], site.finish["exit_code"]) == ("stopped", 0)
    assert site.finish["message"] == "the sweep was paused"


def test_saving_for_several_seconds_fits_into_the_grace(
    runners: Any, site: Any
) -> None:
    site.reply_stop = "the sweep was paused"
    runner = runners.start("train_saves_on_stop", "4.0", grace=0.1)
    runners.wait_for_word("ASKED")
    site.stop = {"reason": "paused", "message": "the sweep was paused", "grace": 20}
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0
    assert site.artifacts == {"checkpoint.txt": b"the sweep was paused"}


SLOW = """
import sys, time
from pathlib import Path
import sweepsite_client as sweep
step = 0
while True:
    step += 1
    if {ask}: break
    print("epoch", step, flush=True)
    time.sleep(0.7)
time.sleep(1.0)
Path(sweep.outputs(), "model.txt").write_text(sweep.stop_reason())
"""
ASKS = ("sweep.log(step=step, loss=1)", "sweep.should_stop()")


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("by", ["stop", "timeout"])
def test_a_script_that_reports_seldom_hears_before_sigterm(
    runners: Any, site: Any, ask: str, by: str
) -> None:
    limit = 4.0 if by == "timeout" else None
    script = SLOW.format(ask=ask)
    runner = runners.start("python", "-c", script, trial_timeout=limit, grace=20)
    if by == "stop":
        site.wait_for(lambda: b"epoch 1" in site.log)
        site.stop = {"reason": "user", "message": "stopped by Ada", "grace": 20}
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0
    why = "stopped by Ada" if by == "stop" else "longer than its limit of 4 s"
    assert why in site.artifacts["model.txt"].decode()
    assert site.finish["cause"] == ("stopped" if by == "stop" else "trial_timeout")


def test_a_pruned_trial_of_optuna_s_manner_ends_without_an_error(
    runners: Any, site: Any
) -> None:
    script = """
import sweepsite_client
trial = sweepsite_client.trial()
for step in range(1000):
    trial.report(0.5, step)
    if trial.should_prune():
        raise sweepsite_client.TrialPruned
"""
    site.reply_stop = "worse than the median"
    environment = {"SWEEPSITE_PRIMARY_METRIC": "accuracy"}
    runner = runners.start("python", "-c", script, environment=environment)
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0
    assert site.points == {("accuracy", 0): 0.5}
    assert b"TrialPruned" not in site.log


def test_one_that_never_asks_again_gets_sigterm_at_half_of_the_grace(
    runners: Any, site: Any
) -> None:
    script = "import time, sweepsite_client as s; s.log(loss=1); time.sleep(600)"
    runner = runners.start("python", "-c", script)
    site.wait_for(lambda: site.points)
    started = time.monotonic()
    site.stop = {**STOP, "grace": 2.0}
    assert runner.wait(timeout=30) == 0
    assert time.monotonic() - started >= 1.0
    assert site.finish["signal"] == signal.SIGTERM


def test_a_script_that_saves_for_ever_is_ended_all_the_same(
    runners: Any, site: Any
) -> None:
    site.reply_stop = "worse than the median"
    site.stop = {**STOP, "grace": 0.6}
    runner = runners.start("train_saves_on_stop", "600", grace=0.6)
    assert runner.wait(timeout=30) == 0
    assert site.finish["signal"] == signal.SIGTERM
    assert not runners.alive()


def test_a_script_that_continues_to_report_gets_sigterm_at_once(
    runners: Any, site: Any, wait_until: Any
) -> None:
    """Not after half of the grace, which is 300 s."""
    runner = runners.start("train_ignores_stop", grace=600)
    runners.wait_for_word("START")
    site.reply_stop = "worse than the median"
    site.stop = {**STOP, "grace": 600}
    site.wait_for(lambda: site.beats)
    wait_until(runners.folder().stop.exists)
    runners.insist()
    assert runner.wait(timeout=30) == 0


def test_a_trial_is_ended_at_its_time_limit(runners: Any, site: Any) -> None:
    started = time.monotonic()
    assert runners.run("train_hang", trial_timeout=0.4) == 0
    assert time.monotonic() - started >= 0.4
    assert site.finish["cause"] == "trial_timeout"
    assert "0.4 s" in site.finish["message"]
    assert not runners.alive()


def test_a_suspended_process_still_gets_its_sigterm(runners: Any, site: Any) -> None:
    runner = runners.start("train_handles_sigterm", grace=10)
    runners.wait_for_word("START")
    site.wait_for(lambda: site.beats)
    os.kill(site.beats[0]["pid"], signal.SIGSTOP)
    site.stop = {**STOP, "grace": 10}
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0


def test_sigterm_to_the_runner_releases_the_attempt(runners: Any, site: Any) -> None:
    runner = runners.start("train_handles_sigterm", grace=10)
    runners.wait_for_word("START")
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "released"
    assert site.finish["message"] == "the worker is shutting down"
    assert runners.words() == ["START", "ASKED", "END"]
    assert not runners.folder().root.exists()


def test_a_second_sigterm_ends_the_grace(
    runners: Any, site: Any, wait_until: Any
) -> None:
    runner = runners.start("train_ignores_stop", grace=600)
    runners.wait_for_word("START")
    runner.terminate()
    wait_until(runners.folder().stop.exists)
    assert runners.alive()
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "released"
    assert site.finish["signal"] == signal.SIGKILL


def test_a_release_has_a_grace_of_its_own(runners: Any, site: Any) -> None:
    runner = runners.start("train_ignores_stop", grace=0.3)
    runners.wait_for_word("START")
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "released"


def test_the_first_cause_of_an_end_is_the_one_reported(
    runners: Any, site: Any, wait_until: Any
) -> None:
    runner = runners.start("train_ignores_stop", grace=600)
    runners.wait_for_word("START")
    site.stop = {**STOP, "grace": 600}
    wait_until(runners.folder().stop.exists)
    runners.insist()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "stopped"


def test_ctrl_c_is_not_for_the_runner_but_its_child_keeps_it(
    runners: Any, site: Any
) -> None:
    command = (
        "import signal, time; "
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler); "
        "time.sleep(1)"
    )
    runner = runners.start("python", "-c", command)
    site.wait_for(lambda: "True" in site.text())
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=30) == 0
    assert site.text() == "True\n"
    assert site.finish["cause"] == "exited"


def test_a_stale_attempt_ends_at_once_and_without_a_word(
    runners: Any, site: Any
) -> None:
    runner = runners.start("train_ignores_stop", grace=600)
    runners.wait_for_word("START")
    site.wait_for(lambda: site.points)
    site.statuses["heartbeat"] = 409
    assert runner.wait(timeout=30) == 0
    assert site.finishes == []
    assert not runners.alive()
    assert not runners.folder().root.exists()


def test_an_attempt_found_stale_only_at_its_end_is_quiet_too(
    runners: Any, site: Any
) -> None:
    site.statuses["finish"] = 409
    assert runners.run("train_no_metric") == 0
    assert not runners.folder().root.exists()
