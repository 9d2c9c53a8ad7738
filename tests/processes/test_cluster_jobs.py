"""Workers as jobs of a cluster, by the files that the documentation gives: they come,
serve the pool while it has work, and leave in time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.running_site import ROOT, RunningSite, running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

SCRIPT = ROOT / "docs" / "installation" / "slurm-worker.sh"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    home = tmp_path_factory.mktemp("cluster") / "home"
    with running_site(home, slots=0) as site:
        yield site


@pytest.fixture
def site(shared: RunningSite) -> RunningSite:
    shared.settle()
    return shared


class Job:
    """The documented script on a host of its own, as Slurm would run it."""

    def __init__(self, site: RunningSite, folder: Path, *words: str) -> None:
        code = folder / "code"
        (code / ".venv" / "bin").mkdir(parents=True)
        python = code / ".venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        (code / "manage.py").symlink_to(ROOT / "manage.py")
        token = site.manage("worker-token", "create", "--pool", "default").split()[-1]
        settings = {
            "SWEEPSITE_URL": site.url,
            "SWEEPSITE_WORKER_TOKEN": token,
            "REDIS_URL": (site.home / "redis_url").read_text(),
        }
        lines = [f"{name}='{value}'\n" for name, value in settings.items()]
        (folder / "worker.env").write_text("".join(lines))
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        places = {
            "SWEEPSITE_WORKER_ENV": str(folder / "worker.env"),
            "SWEEPSITE_CODE": str(code),
            "TMPDIR": str(self.temporary),
        }
        environment = {**site.environment, **places}
        del environment["SWEEPSITE_HOME"]
        self.output = folder / "job.log"
        limit, *options = words
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.stand_in_sbatch", limit),
                    *(str(SCRIPT), *options),
                ],
                env=environment,
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ended(self) -> bool:
        return self.process.poll() is not None

    def said(self) -> str:
        return self.output.read_text()


def test_a_job_serves_the_pool_while_it_has_work_and_leaves(
    site: RunningSite, tmp_path: Path
) -> None:
    sweep = site.submit(
        command="python train_ok.py 3 0.1", limits={"max_total_trials": 3}
    )
    job = Job(site, tmp_path, "--time=300", "--idle", "1s", "--slots", "2")
    wait_for(job.ended, "the job to leave", job.said, timeout=120)
    assert job.process.returncode == 0, job.said()
    assert "had no trial for 1 seconds" in job.said()
    assert "killed" not in job.said()
    ended = site.wait_for_end(sweep)
    assert ended["state"] == "completed", site.log(site.trials(sweep)[0]["id"])
    assert {trial["state"] for trial in site.trials(sweep)} == {"completed"}
    assert not list(job.temporary.glob("sweepsite-worker.*")), "its folder is removed"


def test_a_cancelled_job_gives_its_trials_back(
    site: RunningSite, tmp_path: Path
) -> None:
    """At once, and not as failures."""
    sweep, job = hanging(site, tmp_path, "--time=600")
    job.process.terminate()
    wait_for(job.ended, "the job to end", job.said, timeout=60)
    check_given_back(site, sweep, job)


@pytest.mark.slow
def test_what_runs_at_the_end_of_a_jobs_time_is_given_back(
    site: RunningSite, tmp_path: Path
) -> None:
    sweep, job = hanging(site, tmp_path, "--time=150")
    wait_for(job.ended, "the job to end", job.said, timeout=200)
    check_given_back(site, sweep, job)
    assert "The time limit of this worker is nearly over" in job.said()


def hanging(site: RunningSite, folder: Path, limit: str) -> tuple[int, Job]:
    """A job that runs the one trial of a sweep, which never ends by itself."""
    sweep = site.submit(command="python train_hang.py", limits={"max_total_trials": 1})
    job = Job(site, folder, limit, "--idle", "60s")
    wait_for(lambda: site.trials(sweep)[0]["state"] == "running", "the trial", job.said)
    return sweep, job


def check_given_back(site: RunningSite, sweep: int, job: Job) -> None:
    assert "killed" not in job.said()
    (trial,) = site.trials(sweep)
    assert (trial["state"], trial["attempts"]) == ("queued", 2), site.story(sweep)
    site.api("POST", f"/sweeps/{sweep}/cancel")
