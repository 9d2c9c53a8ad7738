"""sweep submit: a sweep from a file, with its folder of code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import pytest
import yaml

from experiments.models import Sweep
from tests import factories
from tests.management.conftest import Run


@pytest.fixture(autouse=True)
def team() -> Any:
    return factories.team("Physics", ada="member", vera="viewer")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A document beside a folder of code."""
    src = tmp_path / "study" / "src"
    left_out = (".env", ".git/config", "__pycache__/a.pyc", "outputs/model.bin")
    for name in ("train.py", "lib/net.py", *left_out):
        path = src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return written(tmp_path / "study" / "sweep.yaml", code="./src")


def written(path: Path, *, code: Any = None, **changes: Any) -> Path:
    document = factories.definition_document(**changes)
    if code is not None:
        document["trial"]["code"] = code
    path.parent.mkdir(parents=True, exist_ok=True)
    dump = json.dumps if path.suffix == ".json" else yaml.safe_dump
    path.write_text(dump(document))
    return path


def test_a_submitted_sweep_starts_and_is_named(run: Run, file: Path) -> None:
    ran = run("sweep", "submit", file)
    sweep = Sweep.objects.get()
    url = f"http://127.0.0.1:8000/sweeps/{sweep.pk}/"
    assert ran.code == 0
    assert ran.out == f"digits-1 (id {sweep.pk}) {url}\n"
    assert sweep.state == "running"


def test_the_folder_is_packed_without_what_is_hidden(run: Run, file: Path) -> None:
    run("sweep", "submit", file)
    code = Sweep.objects.get().code
    assert code is not None
    assert set(factories.stored_files(code)) == {"train.py", "lib/net.py"}


def test_a_json_file_will_do(run: Run, tmp_path: Path) -> None:
    assert run("sweep", "submit", written(tmp_path / "sweep.json")).code == 0


def test_no_start_leaves_a_draft(run: Run, file: Path) -> None:
    run("sweep", "submit", file, "--no-start")
    assert Sweep.objects.get().state == "draft"


def test_the_experiment_may_be_another(run: Run, file: Path) -> None:
    ran = run("sweep", "submit", file, "--experiment", "Hand Written")
    assert Sweep.objects.get().experiment.name == "Hand Written"
    assert ran.out.startswith("hand-written-1 (id ")


def test_a_user_submits_for_a_team_they_steer(run: Run, file: Path) -> None:
    factories.team("Chemistry", otto="member")
    run("sweep", "submit", file, "--user", "ada")
    sweep = Sweep.objects.get()
    assert sweep.created_by == factories.user("ada")
    assert sweep.experiment.team.slug == "physics"


def test_several_teams_need_a_name(run: Run, file: Path) -> None:
    factories.team("Chemistry", otto="member")
    ran = run("sweep", "submit", file)
    assert ran.code == 1 and "--team SLUG" in ran.err and "chemistry" in ran.err
    assert run("sweep", "submit", file, "--team", "chemistry").code == 0
    assert Sweep.objects.get().experiment.team.slug == "chemistry"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--team", "biology"], "no team 'biology'"),
        (["--user", "bob"], "no user 'bob'"),
        (["--user", "vera"], "--team SLUG"),
        (["--user", "ada", "--team", "chemistry"], "Teams: physics"),
    ],
)
def test_names_that_do_not_fit_are_refused_in_one_line(
    run: Run, file: Path, words: list[str], sentence: str
) -> None:
    ran = run("sweep", "submit", file, *words)
    assert ran.code == 1 and sentence in ran.err and "\n" not in ran.err
    assert not Sweep.objects.exists()


def test_an_invalid_file_gets_an_error_per_field(run: Run, tmp_path: Path) -> None:
    limits = {"max_total_trials": 0}
    file = written(tmp_path / "sweep.yaml", limits=limits, nonsense=1)
    ran = run("sweep", "submit", file)
    assert ran.code == 1
    paths = {line.split(": ")[0] for line in ran.err.splitlines()}
    assert paths == {"limits.max_total_trials", "nonsense"}
    assert not Sweep.objects.exists()


def test_a_missing_file_or_folder_is_an_error(run: Run, tmp_path: Path) -> None:
    ran = run("sweep", "submit", tmp_path / "none.yaml")
    assert ran.code == 1 and "cannot be read" in ran.err
    ran = run("sweep", "submit", written(tmp_path / "sweep.yaml", code="./none"))
    assert ran.code == 1 and ran.err.startswith("trial.code: There is no folder")


def test_a_folder_that_is_too_large_names_its_largest_file(
    run: Run, file: Path, settings: Any
) -> None:
    settings.UPLOAD_LIMIT_BYTES = 1 << 20
    (file.parent / "src" / "data.bin").write_bytes(bytes(2 << 20))
    ran = run("sweep", "submit", file)
    assert ran.code == 1 and "data.bin" in ran.err and "SWEEPSITE_UPLOAD_MB" in ran.err
    assert not Sweep.objects.exists()


def test_warnings_do_not_stop_it(run: Run, tmp_path: Path) -> None:
    ran = run("sweep", "submit", written(tmp_path / "s.yaml", identity={"type": "x"}))
    assert ran.code == 0 and "warning: identity" in ran.err


# --- watching ---------------------------------------------------------------------


# Watching renews its database connection, which a test's transaction would not outlive.
outside_transactions = pytest.mark.django_db(transaction=True)
Naps = Callable[[Callable[[], None]], None]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Naps:
    """Does something else when the command sleeps. Other threads sleep as they do."""
    real_sleep = time.sleep

    def replace(nap: Callable[[], None]) -> None:
        def sleep(seconds: float) -> None:
            if current_thread() is main_thread():
                nap()
            else:
                real_sleep(seconds)

        monkeypatch.setattr(time, "sleep", sleep)

    return replace


@outside_transactions
@pytest.mark.parametrize(("end", "code"), [("completed", 0), ("failed", 1)])
def test_watching_lasts_until_the_end_and_exits_by_it(
    run: Run, file: Path, naps: Naps, end: str, code: int
) -> None:
    looks = 0

    def carry_on() -> None:
        nonlocal looks
        looks += 1
        sweep = Sweep.objects.get()
        factories.trial(sweep, state="completed", value=looks / 10)
        if looks == 3:
            Sweep.objects.update(state=end, message="That was it.")

    naps(carry_on)
    ran = run("sweep", "submit", file, "--watch")
    assert ran.code == code and looks == 3
    lines = ran.out.splitlines()
    assert "0/4" in lines[1]
    assert "2/4" in lines[3] and "best accuracy 0.2 (trial 1)" in lines[3]
    assert lines[-1] == f"digits-1 {end}: That was it."


@outside_transactions
def test_ctrl_c_ends_the_watching_only(run: Run, file: Path, naps: Naps) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    naps(interrupted)
    ran = run("sweep", "submit", file, "--watch")
    assert ran.code == 130 and "No longer watching" in ran.out
    assert Sweep.objects.get().state == "running"


def test_a_draft_cannot_be_watched(run: Run, file: Path) -> None:
    ran = run("sweep", "submit", file, "--no-start", "--watch")
    assert ran.code == 1 and "--watch" in ran.err
    assert not Sweep.objects.exists()
