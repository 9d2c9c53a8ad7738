"""Single runs of a script: with the real site, and while it is away."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import lifecycle
from experiments.models import Artifact, Metric, Trial
from experiments.models.environments import whole_environments
from experiments.models.trials import TrialState
from tests import factories

BOUND = 25.0  # the client's own is 10 seconds, and this machine may be busy


def latest(trial: Trial) -> dict[str, Any]:
    found = Metric.objects.filter(attempt__trial=trial)
    return {metric.name: (metric.last_step, metric.last_value) for metric in found}


def test_a_run_is_started_logged_to_and_finished(
    at_site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    (model / "parts").mkdir(parents=True)
    (model / "weights.npy").write_bytes(b"\0" * 100_000)
    (model / "parts/empty.txt").touch()
    started = {"lr": np.float32(0.5), "layers": [8, np.int64(8)], "note": model.parent}
    with at_site.run(
        "svm", experiment="digits", params=started, tags={"by": "ada"}
    ) as run:
        assert run.params["layers"] == [8, 8]
        assert run.log(step=0, accuracy=0.5, loss=float("nan")) is False
        at_site.log(step=1, accuracy=0.75)
        run.log_params({"seed": 3, "rate": float("inf")})
        run.tag("stage", "draft")
        run.tag("by", None)
        run.log_artifact(model)
        run.log_artifact(model / "weights.npy", "copies/")
        trial = Trial.objects.get(pk=run.id)
        assert trial.state == TrialState.RUNNING
    trial.refresh_from_db()
    assert trial.state == TrialState.COMPLETED
    assert (trial.sweep, trial.experiment.name, trial.run.name) == (
        None,
        "digits",
        "svm",
    )
    assert trial.run.params == {
        **{"lr": "0.5", "layers": "[8, 8]", "note": str(tmp_path)},
        **{"seed": "3", "rate": "Infinity"},
    }
    assert trial.run.tags == {"stage": "draft"}
    assert latest(trial) == {"accuracy": (1, 0.75), "loss": (0, None)}
    files = {file.path: file for file in Artifact.objects.filter(attempt__trial=trial)}
    assert sorted(files) == [
        *("copies/weights.npy", "model/parts/empty.txt", "model/weights.npy"),
    ]
    assert files["model/weights.npy"].size == 100_000
    (environment,) = whole_environments(trial.run)
    assert environment["python"] == sys.version.split()[0]
    assert any(package.startswith("numpy==") for package in environment["packages"])
    assert trial.current_attempt.client == os.path.basename(sys.argv[0])
    assert f"this run is at {run.url}" in capsys.readouterr().err
    assert at_site.log(step=2, accuracy=1) is False
    assert latest(trial)["accuracy"] == (1, 0.75), "a run that has ended gets no more"


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("no data"), TrialState.FAILED, "ValueError: no data"),
        (SystemExit(3), TrialState.FAILED, "SystemExit: 3"),
        (SystemExit(0), TrialState.COMPLETED, ""),
        (KeyboardInterrupt(), TrialState.CANCELLED, "It was interrupted."),
    ],
)
def test_how_its_block_ends_is_its_state(
    at_site: Any, error: BaseException, state: str, message: str
) -> None:
    with pytest.raises(type(error)), at_site.run() as run:
        raise error
    trial = Trial.objects.get(pk=run.id)
    assert (trial.state, trial.message) == (state, message)
    run.finish()
    assert trial.experiment.name == "default"


def test_a_script_that_ends_ends_its_run(at_site: Any, client_path: Path) -> None:
    script = """
import os, sweepsite_client
for name in ("one", "two"):
    run = sweepsite_client.run(name)
    run.log(loss=1)
    if os.fork() == 0:
        run.log(step=7, child=1)
        raise SystemExit  # it has not started the run
    os.wait()
print(undefined)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(client_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "NameError" in done.stderr
    for trial in Trial.objects.all():
        assert trial.state == TrialState.FAILED
        assert trial.message == "NameError: name 'undefined' is not defined"
        assert latest(trial) == {"loss": (0, 1.0), "child": (7, 1.0)}
    assert Trial.objects.count() == 2


def test_two_values_at_one_step_in_one_batch_are_two_reports(at_site: Any) -> None:
    with at_site.run() as run:
        run._reports._reporter._back_off.retry_at = math.inf
        for loss in (2, 1):
            run.log(step=1, loss=loss)
        assert not Metric.objects.exists()
    metric = Metric.objects.get()
    assert (metric.count, metric.last_value) == (2, 1.0)


def test_a_person_ends_a_run_and_its_script_learns_of_it(
    at_site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with at_site.run() as run:
        assert run.log(loss=1) is False
        trial = Trial.objects.get(pk=run.id)
        ada = trial.run.created_by
        lifecycle.end_run_by_hand(trial, TrialState.CANCELLED, actor=ada)
        assert run.log(loss=1) is True
        assert run.should_stop() is at_site.should_stop() is True
    trial.refresh_from_db()
    assert trial.state == TrialState.CANCELLED
    assert "refused" not in capsys.readouterr().err


def test_a_file_that_the_site_refuses_costs_nothing_else(
    at_site: Any, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.OUTPUTS_LIMIT_BYTES = 1_000_000
    (tmp_path / "large.bin").write_bytes(b"x" * 20_000_000)
    with at_site.run() as run:
        run.log_artifact(tmp_path / "large.bin")
        run.tag("by", "ada")
    assert "refused" in capsys.readouterr().err
    trial = Trial.objects.get()
    assert (trial.state, trial.run.tags) == (TrialState.COMPLETED, {"by": "ada"})
    assert not Artifact.objects.exists()


def test_inside_a_trial_a_run_is_the_trial(
    at_site: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trial = factories.trial(factories.sweep(factories.team("Physics")))
    monkeypatch.setenv("SWEEPSITE_TOKEN", factories.claim(trial).trial_token.secret)
    monkeypatch.setenv("SWEEPSITE_TRIAL_ID", str(trial.pk))
    monkeypatch.setenv("SWEEPSITE_PARAMS", '{"lr": 0.25}')
    monkeypatch.setenv("SWEEPSITE_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "model.txt").write_text("weights")
    with at_site.run("svm", params={"lr": 1, "seed": 3}, tags={"by": "ada"}) as run:
        assert run.params == {"lr": 0.25, "seed": 3}
        assert run.url.endswith(trial.get_absolute_url())
        assert run.url.startswith(os.environ["SWEEPSITE_URL"])
        run.log(step=0, accuracy=0.5)
        run.log_artifact(tmp_path / "model.txt", "best")
        run.log_artifact(at_site.outputs())
    trial.refresh_from_db()
    assert trial.state == TrialState.RUNNING
    assert trial.run.params == {"seed": "3"}
    assert trial.run.tags == {"by": "ada"}
    assert latest(trial) == {"accuracy": (0, 0.5)}
    assert (tmp_path / "outputs/best/model.txt").read_text() == "weights"
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["best"]
    assert capsys.readouterr().err == ""


def test_a_run_that_cannot_start_says_why(
    at_site: Any, site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(at_site.RunNotStarted, match="refused the run"):
        at_site.run(experiment="")
    with pytest.raises(at_site.RunNotStarted) as refusal:
        at_site.run(tags={"a" * 500: 1})
    assert str(refusal.value).endswith(
        f"The tag's name '{'a' * 60}…' has 500 characters; allowed are 1 to 250"
        " characters, none of them NUL."
    )
    with pytest.raises(at_site.RunNotStarted, match=r"see name\. name: .*250"):
        at_site.run("n" * 500)
    monkeypatch.setenv("SWEEPSITE_TOKEN", "wrong")
    with pytest.raises(at_site.RunNotStarted, match="refused the run"):
        at_site.run()
    monkeypatch.setattr(at_site._run, "MAX_START_SECONDS", 0)
    site.go_away()
    monkeypatch.setenv("SWEEPSITE_URL", site.url)
    with pytest.raises(at_site.RunNotStarted, match="does not answer"):
        at_site.run()
    monkeypatch.delenv("SWEEPSITE_TOKEN")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(at_site.RunNotStarted, match=r"sweepsite/login\.json"):
        at_site.run()


def test_a_login_names_the_site(
    at_site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"url": os.environ["SWEEPSITE_URL"], "token": os.environ["SWEEPSITE_TOKEN"]}
    monkeypatch.delenv("SWEEPSITE_URL")
    monkeypatch.delenv("SWEEPSITE_TOKEN")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "sweepsite").mkdir()
    (tmp_path / "sweepsite/login.json").write_text(json.dumps(known))
    with at_site.run():
        pass
    assert Trial.objects.get().state == TrialState.COMPLETED


@pytest.fixture
def run(outside: Any, site: Any) -> Any:
    """A run that has started at the stand-in site."""
    where = (site.url, "7", "secret")
    outside._reports.begin_run(where)
    return outside.TrackedRun(where, url="", params={})


def actions(site: Any) -> list[str]:
    return [path.rpartition("/")[2] for _, path, _ in site.requests]


def test_what_is_logged_while_the_site_is_away_is_sent_later(
    run: Any, site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.txt").write_text("weights")
    site.go_away()
    run.log(step=0, loss=1)
    run.tag("stage", "draft")
    run.log_artifact(tmp_path / "model.txt")
    site.come_back()
    run.finish()
    assert site.points == {("loss", 0): 1.0}
    names = ["metrics", "tags", "artifacts?path=model.txt", "finish"]
    assert actions(site) == names
    assert capsys.readouterr().err.count("the site is away") == 1


def test_a_call_that_the_site_cannot_answer_delays_no_report_and_no_end(
    run: Any,
    outside: Any,
    site: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outside._reports, "MAX_EXIT_SECONDS", 1.0)
    site.statuses["/api/v1/runs/7/tags"] = 500
    run.tag("stage", "draft")
    for step in range(3):
        run.log(step=step, loss=1)
    run.finish()
    assert len(site.arrivals) == 3
    assert "finish" in actions(site)
    assert "the last reports may be lost: status 500" in capsys.readouterr().err


def test_the_end_waits_only_for_moments_for_a_site_that_is_gone(
    run: Any,
    outside: Any,
    site: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outside._reports, "MAX_EXIT_SECONDS", 1.0)
    site.go_away()
    run.log(step=0, loss=1)
    started = time.monotonic()
    run.finish()
    assert time.monotonic() - started < BOUND
    assert "the last reports may be lost" in capsys.readouterr().err
    run._reports.flush()
    assert time.monotonic() - started < BOUND


def test_the_end_waits_only_for_moments_for_a_site_that_hangs(
    run: Any, outside: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside._connection, "ANSWER_TIMEOUT", 0.5)
    monkeypatch.setattr(outside._reports, "MAX_EXIT_SECONDS", 1.0)
    site.hang = True
    started = time.monotonic()
    run.finish()
    assert time.monotonic() - started < BOUND


def test_a_file_that_is_not_there_is_an_error(run: Any) -> None:
    with pytest.raises(FileNotFoundError, match="'nowhere' does not exist"):
        run.log_artifact("nowhere")


def test_files_stay_below_the_run(run: Any, tmp_path: Path) -> None:
    (tmp_path / "model.txt").touch()
    with pytest.raises(ValueError, match=r"folder is '\.\./x'"):
        run.log_artifact(tmp_path / "model.txt", "../x")


def test_a_run_ends_in_one_of_three_states(run: Any, site: Any) -> None:
    with pytest.raises(ValueError, match="completed, failed or cancelled"):
        run.finish("nonsense")
    run.finish("failed")
    assert actions(site) == ["finish"]


def test_parameters_are_only_read(run: Any) -> None:
    with pytest.raises(TypeError):
        run.params["lr"] = 1
