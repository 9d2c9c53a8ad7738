"""Sweeps from Python: created, watched, read and run at the real site."""

from __future__ import annotations

import http.server
import io
import json
import math
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from experiments import lifecycle
from experiments.models import CodeSnapshot, Sweep
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from tests import factories
from tests.client.conftest import stand_in

OWN = {
    "experiment_name": "digits",
    "launches": False,
    "search_space": {
        "lr": {"type": "loguniform", "min_value": math.log(1e-4), "max_value": 0.0},
        "model": {
            "type": "choice",
            "values": [{"name": "svm", "c": {"type": "choice", "values": [1, 10]}}],
        },
    },
    "sampling_algorithm": {"type": "random", "seed": 3},
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": 4, "max_concurrent_trials": 2},
}
FILE = """
experiment_name: digits
trial:
  command: python train.py --lr ${{search_space.lr}}
  code: ./src
search_space: {lr: {type: choice, values: [0.1, 0.2]}}
sampling_algorithm: grid
objective: {primary_metric: accuracy, goal: maximize}
"""


@pytest.fixture
def site(at_site: Any) -> Any:
    return at_site.connect()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A file with its code beside it."""
    code = tmp_path / "src"
    for name in ("train.py", "part/more.py", ".env", "venv/x.py", "outputs/model.bin"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(name)
    file = tmp_path / "sweep.yaml"
    file.write_text(FILE)
    return file


def run_command(*words: str) -> int:
    from sweepsite_client.__main__ import main  # type: ignore[import-not-found]

    return int(main(words))


def test_a_sweep_is_created_run_and_read(at_site: Any, site: Any) -> None:
    def objective(trial: Any) -> float:
        for step in range(3):
            assert trial.report(trial.params["lr"] + 1 / (step + 1)) is False
        if trial.number == 1:
            raise ZeroDivisionError("no data")
        return trial.params["lr"]

    sweep = site.sweep(OWN)
    assert (sweep.state, sweep.name) == ("draft", "digits-1")
    assert sweep.best() is None
    sweep.optimize(objective, catch=(ZeroDivisionError,))
    assert sweep.ask() is None
    rows = sweep.results()
    assert [row["state"] for row in rows] == [
        *("completed", "failed", "completed", "completed"),
    ]
    best = min((r for r in rows if r["number"] != 1), key=lambda row: row["lr"])
    assert sweep.importance() == []
    assert sweep.best()["number"] == best["number"]
    assert best["value"] == best["lr"] == best["metric.loss"]
    assert best["model.c"] in (1, 10)
    assert [p["step"] for p in sweep.metrics(best["number"])] == [0, 1, 2, 3]
    failed = sweep.trials(state="failed")
    assert [trial["message"] for trial in failed] == ["ZeroDivisionError: no data"]
    found = site.find("digits-1")
    assert (found.id, found.state) == (sweep.id, sweep.refresh().state)
    assert [each.name for each in site.sweeps()] == ["digits-1"]


def test_an_error_that_is_not_expected_marks_the_trial_and_leaves(site: Any) -> None:
    sweep = site.sweep(OWN)
    with pytest.raises(KeyboardInterrupt):
        sweep.optimize(lambda trial: (_ for _ in ()).throw(KeyboardInterrupt()))
    assert [trial["state"] for trial in sweep.trials()] == ["failed"]


def test_a_trial_that_is_asked_to_stop_is_terminated(site: Any, at_site: Any) -> None:
    def objective(trial: Any) -> None:
        for step in range(9):
            trial.report(step + 1 if trial.number else 0.0)
            if trial.should_prune():
                raise at_site.TrialPruned

    policy = {"type": "truncation_selection", "truncation_percentage": 60}
    sweep = site.sweep({**OWN, "early_termination": {**policy, "delay_evaluation": 2}})
    sweep.optimize(objective, n_trials=2)
    assert [trial["state"] for trial in sweep.trials()] == ["completed", "terminated"]
    assert len(sweep.trials(state="terminated")) == 1


def test_a_process_that_asks_again_gets_its_trial_again(site: Any) -> None:
    sweep = site.sweep(OWN).start()
    first = sweep.ask(client="host-1")
    assert sweep.ask(client="host-1").id == first.id
    other = sweep.ask()
    assert other.id != first.id
    assert sweep.ask(wait=False) is None, "two run, and two is the limit"
    assert first.finish() == "failed", "it reported nothing"
    assert first.finish() == "failed"


def test_a_draft_is_started_before_it_gives_trials(site: Any) -> None:
    sweep = site.sweep(OWN)
    with pytest.raises(site_error(), match=r"is a draft: start\(\) it before ask"):
        sweep.ask()
    site.find(sweep.name).start()
    assert sweep.ask().number == 0


def test_a_file_brings_the_code_beside_it(site: Any, document: Path) -> None:
    checked = site.check(document)
    assert (checked["valid"], checked["combinations"]) == (True, 2)
    assert not CodeSnapshot.objects.exists()
    sweep = site.sweep(document, experiment="letters")
    assert (sweep.name, sweep.state) == ("letters-1", "draft")
    stored = Sweep.objects.get(pk=sweep.id)
    assert stored.code is not None
    assert sorted(file["path"] for file in stored.code.files) == [
        "part/more.py",
        "train.py",
    ]
    sweep.start().pause().resume().cancel()
    assert Sweep.objects.get(pk=sweep.id).state == SweepState.CANCELLED


def test_what_is_refused_names_the_field(
    at_site: Any, site: Any, document: Path
) -> None:
    with pytest.raises(at_site.RequestError) as refused:
        site.sweep({**OWN, "limits": {"max_total_trials": -3}})
    assert "limits.max_total_trials" in str(refused.value)
    assert "limits.max_total_trials" in refused.value.fields
    assert (refused.value.status, refused.value.code) == (422, "invalid")
    document.write_text(FILE.replace("./src", "./nowhere"))
    with pytest.raises(at_site.RequestError, match=r"There is no folder .*nowhere"):
        site.sweep(document)
    document.write_text(FILE.replace("maximize", "most"))
    with pytest.raises(at_site.RequestError, match="objective"):
        site.sweep(document)
    with pytest.raises(at_site.RequestError, match="no sweep 'digits-9'"):
        site.find("digits-9")
    with pytest.raises(at_site.RequestError, match=r"missing\.yaml cannot be read"):
        site.sweep("missing.yaml")
    with pytest.raises(at_site.RequestError) as unknown:
        at_site.connect(token="swp_wrong")
    assert unknown.value.status == 401


def test_a_site_that_is_not_there_is_named(
    outside: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sweepsite_client._requests as requests  # type: ignore[import-not-found]

    monkeypatch.setattr(requests, "PAUSE", 0.01)
    with pytest.raises(outside.RequestError, match="does not answer"):
        outside.connect("http://127.0.0.1:1", "swp_x")
    with pytest.raises(outside.RequestError, match="must begin with http"):
        outside.connect("example.org", "swp_x")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(outside.RequestError, match="SWEEPSITE_URL"):
        outside.connect()


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Sends everybody to another address, which must not learn the token."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/other")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


def test_a_redirect_does_not_get_the_token(outside: Any) -> None:
    Elsewhere.asked.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(outside.RequestError, match="status 302"):
            outside.connect(url, "swp_secret")
        server.shutdown()
    assert Elsewhere.asked == ["/api/v1/sweeps?limit=1"]


def test_watching_shows_a_line_for_each_change(
    site: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sweepsite_client._sweep as module  # type: ignore[import-not-found]

    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    sweep = site.sweep(OWN).start()
    sweep.watch(seconds=0.3)
    sweep.pause().watch(seconds=0.05, quiet=True)
    assert sweep.state == "paused", "a person did it, so its time was over"
    sweep.resume().optimize(lambda trial: 0.5)
    lifecycle.cancel_sweep(Sweep.objects.get(pk=sweep.id), actor=None)
    sweep.watch()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"digits-1 running [{'-' * 20}] 0/4"
    assert lines[-1] == (
        f"digits-1 cancelled [{'#' * 20}] 4/4  4 completed  best loss 0.5 (trial 0)"
    )
    assert len(lines) == 2


def test_results_are_a_frame_where_pandas_is(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "pandas", DataFrame=lambda rows: ("frame", rows))
    sweep = site.sweep(OWN)
    sweep.optimize(lambda trial: 1, n_trials=1)
    kind, rows = sweep.frame()
    assert (kind, [row["value"] for row in rows]) == ("frame", [1.0])


def test_a_notebook_shows_the_charts_in_a_frame_without_rights(
    site: Any, tmp_path: Path
) -> None:
    sweep = site.sweep({**OWN, "display_name": '"><script>alert(1)</script>'})
    sweep.optimize(lambda trial: trial.params["lr"])
    chart = sweep.plot()
    shown = chart._repr_html_()
    assert shown.startswith('<iframe sandbox=""')
    assert shown.count('"') == 10, "the page inside cannot leave its attribute"
    saved = Path(chart.save(str(tmp_path / "charts.html"))).read_text()
    assert saved == chart.html
    assert "digits-1" in saved


def test_the_commands_need_no_database(
    at_site: Any, document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("check", str(document)) == 0
    assert "valid (sweepsite), 2 combinations" in capsys.readouterr().out
    assert run_command("submit", str(document), "--no-start") == 0
    assert "digits-1 (id " in capsys.readouterr().out
    own = tmp_path / "own.yaml"
    own.write_text(json.dumps(OWN))
    assert run_command("submit", str(own)) == 0
    sweep = at_site.connect().find("digits-2")
    assert run_command("best", "digits-2") == 1
    assert "No trial of digits-2 has a value yet." in capsys.readouterr().err
    sweep.optimize(lambda trial: trial.number)
    for words, shown in (
        (("best", "digits-2"), "loss: 0.0"),
        (("list",), "digits-2"),
        (("trials", "digits-2", "--sort=-value"), '"number": 3'),
        (("logs", "digits-2", "0"), ""),
        (("cancel", "digits-2"), "digits-2 is cancelled."),
        (("watch", "digits-2"), "4/4"),
    ):
        code = run_command(*words)
        out = capsys.readouterr().out
        assert shown in out, words
        assert code == int(words[0] == "watch"), "1: it did not complete"
    document.write_text(FILE.replace("grid", "guess"))
    assert run_command("check", str(document)) == 1
    assert "sampling_algorithm" in capsys.readouterr().err


def test_a_download_is_the_outputs_of_the_best(
    site: Any, tmp_path: Path, settings: Any
) -> None:
    row = factories.sweep(factories.team("Physics"))
    trial = factories.trial(row, state=TrialState.COMPLETED, value=0.5)
    factories.output(trial, "model.txt", b"weights")
    sweep = site.find(row.pk)
    file = sweep.download(str(tmp_path / "here"))
    with zipfile.ZipFile(file) as archive:
        assert archive.read("model.txt") == b"weights"
    assert not [*Path(file).parent.glob("*.part")]


def test_a_login_is_kept_for_this_person_alone(
    at_site: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, token = os.environ["SWEEPSITE_URL"], os.environ["SWEEPSITE_TOKEN"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("URL", "TOKEN"):
        monkeypatch.delenv(f"SWEEPSITE_{name}")
    monkeypatch.setattr("sys.stdin", io.StringIO("swp_wrong\n"))
    assert run_command("login", url) == 1
    refused = f"{url} does not know this token. Make one on {url}"
    assert refused + reverse("token_create") in capsys.readouterr().err
    assert run_command("list") == 1
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{token}\n"))
    assert run_command("login", url) == 0
    file = tmp_path / "sweepsite/login.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in capsys.readouterr().out
    assert run_command("list") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert run_command("login", url) == 1
    assert "the last login is kept" in capsys.readouterr().err
    assert run_command("list") == 0


def test_a_sweep_is_changed_by_the_version_that_was_read(site: Any) -> None:
    sweep = site.sweep(OWN)
    other = site.find(sweep.name)
    assert sweep.change(notes="mine").facts["notes"] == "mine"
    with pytest.raises(site_error()) as refused:
        other.change(notes="late")
    assert refused.value.code == "conflict"
    assert other.refresh().change(notes="later").facts["notes"] == "later"
    assert sweep.change(archived=True).facts["archived"] is True


def test_what_has_not_changed_is_not_sent_again(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = site.sweep(OWN).refresh()
    read, sizes = sweep._requests._read, []
    monkeypatch.setattr(
        sweep._requests, "_read", lambda *a: sizes.append(read(*a)) or sizes[-1]
    )
    assert sweep.refresh().state == "draft" and sizes == []
    sweep.start()
    assert sweep.refresh().state == "running" and len(sizes) == 2


def test_documents_and_trials_are_exported(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = site.sweep(OWN)
    sweep.optimize(lambda trial: trial.params["lr"])
    assert "search_space:" in sweep.document()
    assert json.loads(sweep.document("json"))["launches"] is False
    assert sweep.export_notes == []
    sweep.document("katib")
    (note, *_) = sweep.export_notes
    assert run_command("export", sweep.name, "--format", "katib") == 0
    assert note["message"] in capsys.readouterr().err
    with open(sweep.export(str(tmp_path / "best.csv"), sort="value")) as file:
        lines = file.read().splitlines()
    assert len(lines) == 5 and "params.lr" in lines[0]
    with pytest.raises(ValueError, match=r"must end with \.csv"):
        sweep.export("trials.xlsx")
    assert run_command("export", sweep.name, "--format", "jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["number"] for row in rows] == [0, 1, 2, 3]
    assert run_command("cancel", sweep.name) == 0
    assert run_command("extend", sweep.name, "2") == 0
    assert run_command("show", sweep.name) == 0
    assert "minimize loss" in capsys.readouterr().out


def site_error() -> type[Exception]:
    import sweepsite_client

    return sweepsite_client.RequestError  # type: ignore[no-any-return]
