"""One attempt from its start to its last report, with real processes."""

from __future__ import annotations

import json
from typing import Any

import pytest


def test_a_good_trial_is_reported_with_everything_it_left(
    runners: Any, site: Any
) -> None:
    assert runners.run("train_ok") == 0
    assert site.finish["cause"] == "exited"
    assert (site.finish["exit_code"], site.finish["signal"]) == (0, None)
    assert site.finish["message"] == "exit code 0"
    assert site.points[("loss", 2)] == pytest.approx(1 / 3)
    assert site.text() == "trained\n"
    assert site.artifacts == {"model.txt": b"weights\n"}
    assert 0 < site.finish["elapsed"] < 10
    assert site.finish["peak_memory"] > 1_000_000
    assert site.finish["log_dropped"] == 0
    assert runners.words() == ["START", "END"]
    sent = [site.finish, *site.beats]
    # Twice if the end overtakes the answer to a heartbeat.
    found, *again = [each["environment"] for each in sent if "environment" in each]
    assert all(each == found for each in again)
    assert found["command"][1].endswith("train_ok.py")
    assert "trl_secret" not in json.dumps(found)
    assert any(line.startswith("psutil==") for line in found["packages"])


def test_what_a_longer_trial_uses_is_measured_from_outside(
    runners: Any, site: Any
) -> None:
    work = "import time; end = time.time() + 2.2\nwhile time.time() < end: pass"
    runners.run("python", "-c", work)
    assert 0.02 < site.measured["system/cpu"] < 1.3
    assert site.measured["system/memory"] > 1 << 20
    assert {"system/disk_read", "system/disk_write"} < set(site.measured)
    assert [each for each in site.beats if "environment" in each]
    assert "environment" not in site.finish


def test_the_finish_report_comes_last_and_the_folder_is_then_removed(
    runners: Any, site: Any
) -> None:
    runners.run("train_ok")
    actions = [action for _, _, action in site.requests if action != "heartbeat"]
    assert actions[-1] == "finish"
    assert actions[-2] == "artifacts"
    assert not runners.folder().root.exists()


def test_a_crash_keeps_its_metrics_and_its_traceback(runners: Any, site: Any) -> None:
    runners.run("train_crash")
    assert site.finish["exit_code"] == 1
    assert site.finish["message"] == "exit code 1"
    assert site.points == {("loss", 0): 0.5}
    assert "SystemError: the optimizer fell over" in site.text()
    assert site.text().endswith("[sweepsite: exit code 1]\n")


def test_a_death_by_signal_is_put_into_words(runners: Any, site: Any) -> None:
    runners.run("train_kills_itself")
    assert (site.finish["exit_code"], site.finish["signal"]) == (None, 9)
    killed = "killed by signal 9 (possibly out of memory); its peak was "
    assert site.finish["message"].startswith(killed)
    assert site.text().startswith("about to go\n")


def test_numbers_that_are_none_arrive_as_their_names(runners: Any, site: Any) -> None:
    runners.run("train_nan")
    values = [site.points[("loss", step)] for step in range(4)]
    assert values == [0.5, "NaN", "Infinity", "-Infinity"]


def test_a_trial_without_metrics_ends_like_any_other(runners: Any, site: Any) -> None:
    runners.run("train_no_metric")
    assert site.points == {}
    assert site.finish["exit_code"] == 0


def test_arguments_arrive_as_they_were_written(runners: Any, site: Any) -> None:
    arguments = ["a b", "$(touch x)", "; rm -rf /", "line\nbreak", "", "'\"", "ünï"]
    runners.run("train_spaces_in_args", *arguments)
    assert json.loads(site.text()) == arguments


def test_every_byte_of_the_output_arrives_raw(runners: Any, site: Any) -> None:
    runners.run("train_bytes")
    assert site.log == bytes(range(256))


def test_the_process_runs_in_its_work_folder_below_outputs_parent(
    runners: Any, site: Any
) -> None:
    runners.run("train_prints_env")
    told = json.loads(site.text())
    assert told["folder"] == str(runners.folder().work)
    assert told["environment"]["SWEEPSITE_OUTPUTS"] == f"{told['folder']}/outputs"


def test_heartbeats_tell_of_the_living_process(runners: Any, site: Any) -> None:
    runner = runners.start("train_hang")
    runners.wait_for_word("START")
    site.wait_for(lambda: len(site.beats) >= 2)
    assert site.beats[-1]["pid"] in runners.alive()
    assert site.beats[-1]["elapsed"] > site.beats[0]["elapsed"] >= 0
    assert site.beats[-1]["memory_bytes"] > 1_000_000
    runner.terminate()
    runner.wait(timeout=30)


def test_calls_carry_the_attempt_s_token_and_the_protocol(
    runners: Any, site: Any
) -> None:
    runners.run("train_no_metric")
    assert {headers["authorization"] for headers in site.headers} == {
        "Bearer run_secret"
    }
    assert {headers["x-sweepsite-protocol"] for headers in site.headers} == {"2"}


def test_output_is_shown_while_training_runs(runners: Any, site: Any) -> None:
    command = "import time; print('early', flush=True); time.sleep(600)"
    runner = runners.start("python", "-c", command)
    site.wait_for(lambda: b"early\n" in site.log)
    assert runner.poll() is None
    runner.terminate()
    runner.wait(timeout=30)


def test_the_end_of_a_trial_is_noticed_at_once(runners: Any, site: Any) -> None:
    runners.run("python", "-c", "print('over')", heartbeat_seconds=600)
    assert site.text() == "over\n"
    assert len(site.beats) <= 1


def test_an_unreadable_specification_is_an_error_of_its_own(runners: Any) -> None:
    assert runners.run("train_ok", attempt="../../etc") == 2
    assert not runners.words()


def test_what_an_earlier_run_left_in_the_folder_is_not_seen(
    runners: Any, site: Any
) -> None:
    runners.folder().outputs.mkdir(parents=True)
    (runners.folder().outputs / "old.txt").write_text("old")
    runners.run("train_no_metric")
    assert site.artifacts == {}
