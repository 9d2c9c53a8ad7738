"""Real trials through a real queue and real workers: every kind of end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.processes.running_site import RunningSite, running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    with running_site(tmp_path_factory.mktemp("ends") / "home") as site:
        yield site


@pytest.fixture
def site(shared: RunningSite) -> RunningSite:
    """Started again where a test has ended it."""
    shared.settle()
    return shared


# Prints what the page of a trial has to copy.
COMMAND = (
    "from experiments.models import Trial;"
    " from experiments.tracking.reproduction import reproduction_of;"
    " print(reproduction_of(Trial.objects.get(pk=%d)).command())"
)


def limits(total: int, **more: Any) -> dict[str, Any]:
    return {"max_total_trials": total, "max_concurrent_trials": 2, **more}


def ends(site: RunningSite, sweep: int) -> list[tuple[str, str]]:
    site.wait_for_end(sweep)
    return [(trial["state"], trial["reason"]) for trial in site.trials(sweep)]


def test_completed(site: RunningSite) -> None:
    sweep = site.submit(command="python train_curve.py --height ${{search_space.x}}")
    assert ends(site, sweep) == [("completed", "")] * 4
    trials = site.trials(sweep)
    for trial in trials:
        assert trial["reports"] == 5
        assert trial["value"] == pytest.approx(trial["params"]["x"] * (1 - 0.5**5))
    best = max(trials, key=lambda trial: trial["value"])
    assert site.sweep(sweep)["best_trial"]["id"] == best["id"]
    again = subprocess.run(
        ["/bin/sh", "-c", site.manage("shell", "-v0", "-c", COMMAND % best["id"])],
        cwd=Path(__file__).parent.parent / "scripts",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "\u2026" not in again.args[2], "a folder that is gone"
    assert again.returncode == 0, again.stderr
    # Another command knows the port that this site was given.
    assert f"{site.url}/sweeps/{sweep}/" in site.manage("sweep", "show", str(sweep))


def test_a_script_reports_without_the_client(site: RunningSite) -> None:
    ways = ["prints", "logs_and_prints", "logs_late", "tensorboard", "azure"]
    ways.append("another_name")
    sweep = site.submit(
        command="python train_reports.py ${{search_space.how}}",
        search_space={"how": {"type": "choice", "values": ways}},
        sampling_algorithm={"type": "grid"},
        limits=limits(len(ways)),
    )
    site.wait_for_end(sweep)
    trials = {trial["params"]["how"]: trial for trial in site.trials(sweep)}
    other = trials.pop("another_name")
    for trial in trials.values():
        assert (trial["state"], trial["reports"]) == ("completed", 5), site.story(sweep)
        assert trial["value"] == 0.9
    assert "not kept" not in site.log(trials["azure"]["id"])
    assert (other["state"], other["reason"]) == ("failed", "no_metric")
    assert site.api("GET", f"/trials/{other['id']}")["message"] == (
        'It never reported "accuracy". It reported no metric; its output has lines such'
        ' as "val_acc=0.9".'
    )


def test_a_script_that_logs_with_mlflow_alone(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_mlflow.py --height ${{search_space.x}}",
        search_space={"x": {"type": "choice", "values": [0.5]}},
        sampling_algorithm={"type": "grid"},
    )
    assert ends(site, sweep) == [("completed", "")]
    (trial,) = site.trials(sweep)
    assert (trial["reports"], trial["value"]) == (3, 0.4375)
    assert trial["metrics"]["training_accuracy_score"] == 1.0
    files = site.api("GET", f"/trials/{trial['id']}/artifacts")["items"]
    assert {"notes/end.txt", "estimator.html"} <= {each["path"] for each in files}
    log = site.api("GET", f"/trials/{trial['id']}/log")
    assert "Traceback" not in log and "RestException" not in log, log
    (child,) = site.api("GET", "/runs")["items"]
    assert (child["name"], child["state"]) == ("fold", "completed")


def test_terminated_by_the_policy_and_explained(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_curve.py --pause 0.05 --reports 20"
        " --height ${{search_space.x}}",
        search_space={"x": {"type": "choice", "values": [0.9, 0.8, 0.2, 0.1]}},
        sampling_algorithm="grid",
        early_termination={"type": "bandit", "slack_amount": 0.2},
    )
    site.wait_for_end(sweep)
    trials = site.trials(sweep)
    states = {trial["params"]["x"]: trial["state"] for trial in trials}
    assert states == {
        0.9: "completed",
        0.8: "completed",
        0.2: "terminated",
        0.1: "terminated",
    }
    ended = trials[2]
    assert ended["reports"] < 20
    last = site.api("GET", f"/trials/{ended['id']}/decisions")["items"][-1]
    assert last["stop"]
    assert last["value"] < last["threshold"]
    assert ended["message"] == last["reason"]


def test_a_trial_in_optuna_s_manner_is_ended_by_its_policy(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_pruned.py",
        search_space={"x": {"type": "choice", "values": [0.9, 0.1]}},
        sampling_algorithm="grid",
        early_termination={"type": "threshold", "lower": 0.5},
    )
    assert ends(site, sweep) == [("completed", ""), ("terminated", "policy")]
    best, pruned = (site.api("GET", f"/trials/{t['id']}") for t in site.trials(sweep))
    assert (best["reports"], pruned["reports"]) == (30, 1)
    assert "Traceback" not in site.log(pruned["id"])
    assert pruned["attempt_history"][-1]["exit_code"] == 0


def test_failed_with_the_exit_code_in_words(site: RunningSite) -> None:
    sweep = site.submit(command="python train_crash.py", limits=limits(2))
    assert ends(site, sweep) == [("failed", "exit_code")] * 2
    trial = site.trials(sweep)[0]
    assert "exit code 1" in trial["message"]
    assert "the optimizer fell over" in site.log(trial["id"])
    assert site.sweep(sweep)["state"] == "failed"


def test_failed_by_a_signal(site: RunningSite) -> None:
    sweep = site.submit(command="python train_kills_itself.py", limits=limits(1))
    assert ends(site, sweep) == [("failed", "signal")]
    assert "signal 9" in site.trials(sweep)[0]["message"]


def test_command_not_found(site: RunningSite) -> None:
    sweep = site.submit(command="no-such-command --x", limits=limits(1))
    assert ends(site, sweep) == [("failed", "command_not_found")]
    assert "no-such-command" in site.trials(sweep)[0]["message"]


def test_no_metric(site: RunningSite) -> None:
    sweep = site.submit(command="python train_no_metric.py", limits=limits(1))
    assert ends(site, sweep) == [("failed", "no_metric")]
    assert '"accuracy"' in site.trials(sweep)[0]["message"]


def test_bad_names_cost_no_good_one_and_the_trial_names_them(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_bad_names.py ${{search_space.kind}}",
        search_space={"kind": {"type": "choice", "values": ["long", "many"]}},
        sampling_algorithm="grid",
        limits=limits(2),
    )
    assert ends(site, sweep) == [("completed", "")] * 2
    long, many = (site.api("GET", f"/trials/{t['id']}") for t in site.trials(sweep))
    assert (long["reports"], many["reports"]) == (300, 400)
    assert (long["value"], many["value"]) == (1 - 1 / 300, 1 - 1 / 400)
    (refused,) = long["refused"]
    assert refused["name"] == "n" * 100 + "…" and refused["points"] == 300
    assert "has more than 250 characters; allowed are texts" in refused["reason"]
    assert sum(each["points"] for each in many["refused"]) == 200
    assert many["refused"][0]["name"] == "epoch333/lr"
    assert (
        "put changing parts, such as an epoch, into step"
        in many["refused"][0]["reason"]
    )
    assert site.log(long["id"]).count("is refused") == 1


def test_trial_timeout_ends_the_whole_tree(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_daemon_grandchild.py hang",
        limits=limits(1, trial_timeout=1.0),
    )
    assert ends(site, sweep) == [("cancelled", "trial_timeout")]
    wait_for(lambda: not site.training(), "the tree to be gone", timeout=30)


def test_cancelling_stops_running_trials_and_leaves_none(site: RunningSite) -> None:
    sweep = site.submit(command="python train_ignores_stop.py", limits=limits(10))
    wait_for(lambda: len(site.training()) >= 2, "two trials to run")
    assert site.api("POST", f"/sweeps/{sweep}/cancel")["state"] == "cancelled"
    assert set(ends(site, sweep)) == {("cancelled", "user")}
    wait_for(lambda: not site.training(), "no process to be left", timeout=30)


def test_sweep_timeout(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_curve.py --reports 1000 --pause 0.1",
        limits=limits(10, timeout=4.0),
    )
    assert set(ends(site, sweep)) == {("cancelled", "sweep_timeout")}
    assert site.sweep(sweep)["reason"] == "sweep_timeout"


def test_pause_lets_running_trials_end_and_resume_continues(site: RunningSite) -> None:
    sweep = site.submit(command="python train_curve.py --pause 0.1", limits=limits(6))
    wait_for(lambda: len(site.training()) >= 1, "a trial to run")
    site.api("POST", f"/sweeps/{sweep}/pause")
    wait_for(lambda: not site.training(), "running trials to end")
    tried = len(site.trials(sweep))
    assert tried < 6
    assert site.sweep(sweep)["state"] == "paused"
    site.api("POST", f"/sweeps/{sweep}/resume")
    assert ends(site, sweep) == [("completed", "")] * 6


def test_values_reach_the_script_as_single_arguments(site: RunningSite) -> None:
    nasty = ["; rm -rf /", "$(touch hacked)", "two words\nand a line", '"quoted"']
    sweep = site.submit(
        command="python train_spaces_in_args.py",
        search_space={"text": {"type": "choice", "values": nasty}},
        sampling_algorithm="grid",
    )
    site.wait_for_end(sweep)
    for trial in site.trials(sweep):
        arguments = json.loads(site.log(trial["id"]))
        assert arguments == ["--text", trial["params"]["text"]]


def test_a_training_process_sees_no_secret_of_the_site(site: RunningSite) -> None:
    sweep = site.submit(command="python train_prints_env.py", limits=limits(1))
    site.wait_for_end(sweep)
    names = set(json.loads(site.log(site.trials(sweep)[0]["id"]))["environment"])
    assert "SWEEPSITE_TOKEN" in names
    assert not {n for n in names if "REDIS" in n or "SECRET" in n or "WORKER" in n}


def test_outputs_are_kept(site: RunningSite) -> None:
    sweep = site.submit(
        command="python train_ok.py 3 0 ${{search_space.x}}", limits=limits(1)
    )
    site.wait_for_end(sweep)
    trial = site.trials(sweep)[0]["id"]
    items = site.api("GET", f"/trials/{trial}/artifacts")["items"]
    assert [item["path"] for item in items] == ["model.txt"]
    assert site.download(f"/trials/{trial}/artifacts/{items[0]['id']}") == "weights\n"


def test_a_second_up_on_the_same_folder_is_refused(site: RunningSite) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", str(site.port + 1)],
        env=site.environment,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert second.returncode == 1
    assert "runs on" in second.stderr
    assert str(site.up.pid) in second.stderr


def test_ctrl_c_ends_everything_and_the_next_start_continues(site: RunningSite) -> None:
    """In time, with trials running, and nothing is left behind."""
    sweep = site.submit(
        command="python train_curve.py --reports 30 --pause 0.1", limits=limits(3)
    )
    wait_for(lambda: len(site.training()) >= 2, "two trials to run")
    assert site.stop(signal.SIGINT) < 45
    assert site.pids() == []
    assert site.training() == []
    site.start()
    assert ends(site, sweep) == [("completed", "")] * 3


def test_no_access_without_a_token(site: RunningSite) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{site.url}/api/v1/sweeps", timeout=10)


def test_the_queue_listens_for_this_user_only(site: RunningSite) -> None:
    socket = Path(urlsplit((site.home / "redis_url").read_text()).path)
    assert socket.is_socket()
    assert socket.stat().st_mode & 0o077 == 0
    assert len(os.fspath(socket)) < 100
