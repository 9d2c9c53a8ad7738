"""A hostile training script in a real site reaches nothing; an ordinary one works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from experiments.runner import landlock
from tests.processes.running_site import (
    PASSWORD,
    ROOT,
    RunningSite,
    running_site,
    wait_for,
)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not landlock.version(), reason="the kernel has no Landlock here"
    ),
]
ONE = {"max_total_trials": 1, "max_concurrent_trials": 1}
HIDDEN = "not-for-trials"
DATABASE_PASSWORD = "only-for-this-database"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("person")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_ed25519").write_text("private")
    return home


@pytest.fixture(scope="module")
def site(tmp_path_factory: Any, person: Path) -> Iterator[RunningSite]:
    home = tmp_path_factory.mktemp("walls") / "home"
    settings = {
        "HOME": str(person),
        "SWEEPSITE_TRIAL_WRITE": "",
        # No trial is lost here, however slow the machine is.
        "SWEEPSITE_LEASE_SECONDS": "60",
        "SWEEPSITE_SECRET_KEY": "s" * 40,
        "PGPASSWORD": DATABASE_PASSWORD,
        "SOME_PROXY": "http://me:proxy-password@127.0.0.1:1",
    }
    with running_site(home, settings=settings) as site:
        yield site


def run(site: RunningSite, command: str, **environment: str) -> dict[str, Any]:
    """A sweep of one trial; its row, with its log."""
    limits = {
        "limits": ONE,
        "objective": {"primary_metric": "loss", "goal": "minimize"},
    }
    sweep = site.submit(command=command, environment=environment, **limits)
    site.wait_for_end(sweep)
    (trial,) = site.trials(sweep)
    return trial | {"log": site.api("GET", f"/trials/{trial['id']}/log")}


def lasting(site: RunningSite) -> set[int]:
    """The processes of the installation without what they fork for one job each, which
    has its parent's command."""
    found = set()
    for pid in site.pids("manage.py"):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            parent = process.parent()
            if parent is None or parent.cmdline() != process.cmdline():
                found.add(pid)
    return found


def test_a_hostile_script_reaches_nothing(site: RunningSite, person: Path) -> None:
    victim = site.submit(
        command="sh -c 'echo secret > private; exec python train_hang.py'", limits=ONE
    )
    attempts = site.home / "worker" / "attempts"
    wait_for(
        lambda: any(attempts.glob("*/work/private")),
        "the other trial",
        lambda: site.story(victim),
    )
    (other,) = (path.parents[1] for path in attempts.glob("*/work/private"))
    before, others = lasting(site), set(site.training())
    (site.home / "secret_key").write_text(HIDDEN)
    trial = run(
        site,
        "python train_hostile.py",
        DATA=str(site.home),
        PRIVATE=str(person / ".ssh" / "id_ed25519"),
        SITE_CODE=str(ROOT),
        OTHER=str(other),
    )
    assert trial["state"] == "completed", trial["log"]
    assert "escapes []" in trial["log"], trial["log"]
    # What the runner has sent is not from elsewhere either.
    assert HIDDEN not in str(trial)
    assert (site.home / "secret_key").read_text() == HIDDEN
    assert lasting(site) == before
    assert others <= set(site.training()), site.story(victim)
    site.api("POST", f"/sweeps/{victim}/cancel")
    site.wait_for_end(victim)


def test_an_ordinary_script_works(site: RunningSite, person: Path) -> None:
    trial = run(site, "python train_ordinary.py")
    assert trial["state"] == "completed", trial["log"]
    assert not (person / ".config").exists()


def test_a_failure_names_the_folder_and_the_setting(
    site: RunningSite, tmp_path: Path
) -> None:
    trial = run(site, f"""python -c 'open("{tmp_path}/result", "w")'""")
    refusal = f"{tmp_path}/result is outside the folders that a trial may write"
    assert trial["log"].count(refusal) == 1
    assert refusal in trial["message"]


def test_no_process_shows_a_secret(site: RunningSite) -> None:
    queue = (site.home / "queue.conf").read_text().split()[-1]
    secrets = (PASSWORD, DATABASE_PASSWORD, "proxy-password", queue, "s" * 40, "wrk_")
    shown = [
        (pid, secret)
        for pid in (site.up.pid, *site.pids("manage.py"), *site.pids("gunicorn"))
        for name in ("environ", "cmdline")
        for secret in secrets
        if secret in Path("/proc", str(pid), name).read_bytes().decode()
    ]
    assert shown == []
    # It still does what it needs them for.
    assert re.search("[0-9]", site.api("GET", "/sweeps")["items"][0]["state"]) is None
