"""Whole sweeps whose code is in git or in a folder, with packages of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.running_site import RunningSite, running_site, wait_for
from tests.runner.repositories import GitRepository
from tests.runner.wheels import make_wheel

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(400)]

TRAIN = """\
import thing
import sweepsite_client as sweep
sweep.log(accuracy=thing.FACTOR + sweep.params()["x"])
print("version 1")
"""
NEEDED = "--no-index\n--find-links wheels\nthing==1.0\n"


@pytest.fixture(scope="module")
def allowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("allowed")


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, allowed: Path
) -> Iterator[RunningSite]:
    with running_site(tmp_path_factory.mktemp("code") / "home") as site:
        change = f"Pool.objects.update(folders=[{str(allowed)!r}])"
        site.manage("shell", "-c", f"from experiments.models import Pool; {change}")
        yield site


@pytest.fixture(scope="module")
def repository(allowed: Path) -> GitRepository:
    made = GitRepository(allowed / "project")
    wheels = made.folder / "src" / "wheels"
    make_wheel(wheels, "thing", text="FACTOR = 3.0\ndef main(): ...\n")
    made.commit({"src/train.py": TRAIN, "src/requirements.txt": NEEDED})
    return made


def trial(repository: GitRepository, **more: Any) -> dict[str, Any]:
    code = {"git": {"url": repository.url, "ref": "main", "path": "src"}}
    return {"command": "python train.py", "code": code, **more}


def test_all_trials_run_one_commit_in_one_environment(
    site: RunningSite, repository: GitRepository
) -> None:
    commit = repository.git("rev-parse", "main")
    sweep = site.submit(trial=trial(repository, requirements="requirements.txt"))
    wait_for(
        lambda: site.sweep(sweep)["code"]["commit"],
        "the commit to be known",
        lambda: site.story(sweep),
    )
    repository.commit({"src/train.py": "raise SystemExit('a later version')"})
    site.wait_for_end(sweep, timeout=180)
    trials = site.trials(sweep)
    assert {row["state"] for row in trials} == {"completed"}, site.story(sweep)
    for row in trials:
        assert row["value"] == pytest.approx(3 + row["params"]["x"])
    assert site.sweep(sweep)["code"]["commit"] == commit
    home = site.home / "worker"
    assert len(list((home / "environments").glob("*/sweepsite.json"))) == 1
    assert list((home / "attempts").iterdir()) == []
    repository.git("reset", "--quiet", "--hard", commit)


def test_packages_that_cannot_be_installed_fail_the_trials_alike(
    site: RunningSite, repository: GitRepository
) -> None:
    sweep = site.submit(
        trial=trial(repository, requirements=["--no-index", "no-such-package==1"])
    )
    wait_for(
        lambda: any(row["state"] == "failed" for row in site.trials(sweep)),
        "a trial to fail",
        lambda: site.story(sweep),
    )
    site.api("POST", f"/sweeps/{sweep}/cancel")
    site.wait_for_end(sweep)
    failed = [row for row in site.trials(sweep) if row["state"] == "failed"]
    assert {row["reason"] for row in failed} == {"environment"}
    assert len({row["message"] for row in failed}) == 1
    assert "no-such-package==1" in failed[0]["message"]


def test_a_runner_that_is_killed_at_its_build_blocks_no_other(
    site: RunningSite, repository: GitRepository
) -> None:
    sweep = site.submit(
        trial=trial(repository, requirements=[*NEEDED.split("\n"), "thing>=0.5"]),
        limits={"max_total_trials": 2, "max_concurrent_trials": 2},
        retries={"max_attempts": 5},
    )
    wait_for(
        lambda: bool(site.pids("-m", "venv")),
        "an environment to be built",
        lambda: site.story(sweep),
    )
    for runner in site.pids("trial-runner"):
        os.kill(runner, signal.SIGKILL)
    site.wait_for_end(sweep, timeout=180)
    assert {row["state"] for row in site.trials(sweep)} == {"completed"}
    wait_for(lambda: not site.training(), "everything to be gone", site.said)


def test_a_folder_of_the_pool_is_copied(site: RunningSite, allowed: Path) -> None:
    folder = allowed / "plain"
    folder.mkdir()
    script = TRAIN.replace("import thing\n", "").replace("thing.FACTOR", "3")
    (folder / "train.py").write_text(script + "open('mine', 'x').close()\n")
    sweep = site.submit(trial={"command": "python train.py", "code": str(folder)})
    site.wait_for_end(sweep)
    assert {row["state"] for row in site.trials(sweep)} == {"completed"}
    assert site.sweep(sweep)["code"] == {"kind": "folder", "folder": str(folder)}
    assert [path.name for path in folder.iterdir()] == ["train.py"]
