"""Reporting metrics, with a site that answers."""

from __future__ import annotations

import ast
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def test_outside_a_sweep_everything_is_quiet(
    outside: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outside.params() == {}
    assert outside.log(step=3, accuracy=0.91234567, loss=float("nan")) is False
    assert outside.should_stop() is False
    assert outside.stop_reason() == ""
    assert outside.trial_id() == ""
    assert capsys.readouterr().out == "step 3  accuracy=0.912346  loss=NaN\n"


def test_outside_a_sweep_outputs_is_a_folder_here(
    outside: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(outside.outputs()) == tmp_path / "outputs"
    assert (tmp_path / "outputs").is_dir()


def test_parameters_come_from_the_sweep(sweep: Any) -> None:
    assert sweep.params() == {"lr": 0.1, "units": [8, 8]}
    assert sweep.trial_id() == "7"


def test_a_report_arrives_before_log_returns(
    sweep: Any, site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = time.time()
    assert sweep.log(step=4, accuracy=0.9, loss=0.3) is False
    assert site.points == {("accuracy", 4): 0.9, ("loss", 4): 0.3}
    assert all(before <= point["time"] <= time.time() for point in site.arrivals)
    assert site.requests == [("POST", "/api/v1/trials/7/metrics", "trial-metrics")]
    assert site.headers[0]["authorization"] == "Bearer trl_secret"
    assert capsys.readouterr().out == ""


def test_steps_count_up_by_themselves(sweep: Any, site: Any) -> None:
    sweep.log(a=1)
    sweep.log(a=1)
    sweep.log(step=10, a=1)
    sweep.log(a=1)
    assert [point["step"] for point in site.arrivals] == [0, 1, 10, 11]


def test_a_step_that_the_site_does_not_take_costs_no_other(
    sweep: Any, site: Any
) -> None:
    for step in (4, 2**70, None, None):
        sweep.log(step=step, loss=1)
    assert {step for _, step in site.points} >= {4, 5, 6}


def test_reports_at_the_same_moment_are_two(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site knows a point by its step and time, and some clocks are coarse."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.123456)
    for _ in range(3):
        sweep.log(step=1, a=1)
    assert len({round(point["time"] * 1e6) for point in site.arrivals}) == 3


def test_names_that_are_no_identifiers_may_be_used(sweep: Any, site: Any) -> None:
    sweep.log(step=0, **{"val/loss": 1, "größe": 2})
    assert site.points == {("val/loss", 0): 1.0, ("größe", 0): 2.0}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (-float("inf"), "-Infinity"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.bool_(True), 1.0),
        (np.array(0.25), 0.25),
        (np.float64("nan"), "NaN"),
        (True, 1.0),
        (-0.0, 0.0),
        (10**300, 1e300),
    ],
)
def test_whatever_is_a_number_is_taken(
    sweep: Any, site: Any, value: object, sent: object
) -> None:
    sweep.log(step=np.int32(2), x=value)
    assert site.points == {("x", 2): sent}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("good", "good"),
        (None, "None"),
        ([1, 2], "a list"),
        (np.array([1, 2]), "a ndarray"),
        (10**400, "too large for a float"),
    ],
)
def test_what_is_no_number_is_sent_for_the_site_to_refuse(
    sweep: Any, site: Any, value: object, sent: str
) -> None:
    """So it costs no other metric, and the trial's page names it."""
    sweep.log(step=1, x=value, y=2)
    assert site.points == {("x", 1): sent, ("y", 1): 2}


def test_outside_a_sweep_what_is_no_number_is_printed(
    outside: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    outside.log(step=1, x="good", y=2)
    assert capsys.readouterr().out == "step 1  x=good  y=2\n"


@pytest.mark.parametrize("step", ["1", 1.5, True, {"loss": 1}])
def test_a_step_is_a_whole_number(sweep: Any, step: object) -> None:
    with pytest.raises(TypeError, match="it must be a whole number such as 3"):
        sweep.log(step, loss=1)


def test_a_report_of_nothing_is_a_mistake(sweep: Any) -> None:
    with pytest.raises(ValueError, match="log\\(\\) needs a metric"):
        sweep.log(step=1)


def test_a_stop_in_the_reply_reaches_the_script_and_its_runner(
    sweep: Any, site: Any, spool: Path
) -> None:
    site.reply_stop = "worse than the median"
    assert sweep.log(step=1, loss=1) is True
    assert sweep.should_stop() is True
    assert sweep.stop_reason() == "worse than the median"
    assert spool.with_name("spool.jsonl.seen").exists()


def test_a_script_that_continues_to_report_is_not_waited_for(
    sweep: Any, site: Any, spool: Path
) -> None:
    site.reply_stop = "worse than the median"
    sweep.log(step=0, loss=1)
    for step in range(1, 3):
        sweep.log(step=step, loss=1)
    assert spool.with_name("spool.jsonl.seen").exists()
    assert sweep.log(step=3, loss=1) is True
    assert spool.with_name("spool.jsonl.seen").read_text() == "\n"
    assert len(site.points) == 4


def test_a_stop_by_the_runner_is_seen_without_a_report(sweep: Any, spool: Path) -> None:
    assert sweep.should_stop() is False
    spool.with_name("spool.jsonl.stop").write_text('{"reason": "time is up"}')
    assert sweep.should_stop() is True
    assert sweep.stop_reason() == "time is up"


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_an_ended_trial_stops_the_script_and_is_left_in_peace(
    sweep: Any, site: Any, status: int
) -> None:
    site.statuses["trial-metrics"] = status
    assert sweep.log(step=0, loss=1) is True
    assert sweep.stop_reason() == f"that is a {status}"
    assert sweep.log(step=1, loss=1) is True
    assert len(site.requests) == 1


def test_a_refused_name_costs_no_other_and_is_named_once(
    sweep: Any, site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site.refused_names = {"odd"}
    for step in range(300):
        assert sweep.log(step=step, loss=1, odd=2) is False
    assert site.points == {("loss", step): 1.0 for step in range(300)}
    assert len(site.requests) == 300
    assert capsys.readouterr().err == "sweepsite_client: 'odd' is refused: odd\n"


def test_thousands_of_refused_names_cost_few_requests_and_few_lines(
    sweep: Any, site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"odd{number}" for number in range(2_000)]
    site.refused_names = set(names)
    assert sweep.log(step=0, loss=1, **dict.fromkeys(names, 1.0)) is False
    assert site.points == {("loss", 0): 1.0}
    assert len(site.requests) == 5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 31 and lines[-1].endswith("further warnings are left out")


def test_a_name_of_any_length_and_kind_is_sent_for_the_site_to_refuse(
    sweep: Any, site: Any
) -> None:
    sweep.log(step=0, loss=1, **{"n" * 1_000_000: 1, "\ud800": 2})
    assert [len(point["name"]) for point in site.arrivals] == [4, 300, 1]


def test_a_batch_that_is_refused_whole_is_counted_as_lost(
    sweep: Any, site: Any, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.statuses["trial-metrics"] = 422
    assert sweep.log(step=0, loss=1, accuracy=2) is False
    assert "'all metrics' is refused: that is a 422" in capsys.readouterr().err
    assert spool.with_name("spool.jsonl.client").stat().st_size == 2


def test_reports_share_one_connection_and_are_quick(sweep: Any, site: Any) -> None:
    durations = []
    for step in range(50):
        started = time.perf_counter()
        sweep.log(step=step, loss=1)
        durations.append(time.perf_counter() - started)
    assert site.connections == 1
    # A connection that waits for acknowledgements takes 40 ms for each of them.
    assert min(durations) < 0.02


def test_a_connection_that_the_server_closed_is_opened_again(
    sweep: Any, site: Any, spool: Path
) -> None:
    sweep.log(step=0, loss=1)
    site.go_away()
    site.come_back()
    sweep.log(step=1, loss=1)
    assert len(site.points) == 2
    assert not spool.exists()


def test_threads_may_report_at_the_same_time(sweep: Any, site: Any) -> None:
    def report(worker: int) -> None:
        for step in range(25):
            sweep.log(step=step, **{f"loss{worker}": 1})

    threads = [threading.Thread(target=report, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(site.points) == 100
    assert site.connections == 1


def test_threads_that_begin_at_the_same_time_share_one_client(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two would count steps, and send over two connections."""
    both = threading.Barrier(2, timeout=30)
    made = sweep._reports.Reports.__init__

    def make(reports: Any, *where: str) -> None:
        made(reports, *where)
        both.wait()

    monkeypatch.setattr(sweep._reports.Reports, "__init__", make)
    threads = [threading.Thread(target=sweep.log, kwargs={"loss": 1}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(site.points) == [("loss", 0), ("loss", 1)]
    assert site.connections == 1


def test_a_fork_reports_over_a_connection_of_its_own(sweep: Any, site: Any) -> None:
    sweep.log(step=0, loss=1)
    child = os.fork()
    if child == 0:
        sweep.log(step=1, loss=1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    sweep.log(step=2, loss=1)
    assert sorted(site.points) == [("loss", 0), ("loss", 1), ("loss", 2)]
    assert site.connections == 2


def test_a_fork_during_a_report_keeps_no_lock(sweep: Any, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with sweep._spool.locked(path) as file:
        fork = os.dup(file.fileno())
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fork)


def test_the_site_may_live_below_a_path(
    sweep: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPSITE_URL", f"{site.url}/lab/sweeps/")
    sweep.log(step=0, loss=1)
    assert site.requests[0][1] == "/lab/sweeps/api/v1/trials/7/metrics"


def test_the_standard_library_is_all_it_needs(client_path: Path) -> None:
    command = "import sweepsite_client as s; s.log(loss=1)"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-W",
            "error",
            "-c",
            f"import sys; sys.path.insert(0, {str(client_path)!r}); {command}",
        ],
        capture_output=True,
        text=True,
        env={},
        check=True,
    )
    assert done.stdout == "step 0  loss=1\n"
    assert done.stderr == ""


def test_it_is_written_for_python_3_9(client_path: Path) -> None:
    for module in client_path.rglob("*.py"):
        assert ast.parse(module.read_text(), feature_version=(3, 9)).body
