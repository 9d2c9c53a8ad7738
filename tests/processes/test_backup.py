"""Backups and moves of real installations, by the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import postgres
from tests.processes.running_site import ROOT, RunningSite, running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
LIMITS = {"max_total_trials": 4, "max_concurrent_trials": 2}
SLOW = "python train_resumes.py 60 0.05 0"
# It runs for longer than any of this takes.
LONG = "python train_resumes.py 20000 0.05 0"


def refused(site: RunningSite, *arguments: str) -> str:
    """The sentence of a command that fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=site.environment,
        capture_output=True,
        text=True,
        timeout=site.timeout,
    )
    assert done.returncode, done.stdout
    return done.stderr


@pytest.mark.slow
def test_a_backup_under_load_continues_elsewhere_when_it_is_resumed(
    tmp_path: Path,
) -> None:
    backups = tmp_path / "backups"
    with running_site(tmp_path / "old") as old:
        sweep = old.submit(command=LONG, limits=LIMITS)
        wait_for(lambda: len(old.training()) >= 2, "two trials", old.said)
        old.manage("backup", str(backups), "--rotate")
        token = old.token
    (backup,) = backups.iterdir()
    assert backup.stat().st_mode & 0o077 == 0
    new = RunningSite(tmp_path / "new", fresh=True)
    assert "is complete" in new.manage("restore", "--check", str(backup))
    said = new.manage("restore", str(backup))
    assert "1 sweep paused, 2 attempts lost, 1 worker credential revoked" in said
    assert "has files already" in refused(new, "restore", str(backup))
    new.token = token
    try:
        new.start()
        facts = new.sweep(sweep)
        assert (facts["state"], facts["reason"]) == ("paused", "restored")
        assert not new.training()
        new.api("POST", f"/sweeps/{sweep}/resume")
        wait_for(lambda: len(new.training()) >= 2, "two trials again", new.said)
    finally:
        new.stop()


def test_a_damaged_backup_changes_nothing(tmp_path: Path) -> None:
    old = RunningSite(tmp_path / "old")
    store = old.home / "store" / "code"
    store.mkdir(parents=True, exist_ok=True)
    (store / "some.zip").write_bytes(b"code")
    old.manage("backup", str(tmp_path / "backups"))
    (backup,) = (tmp_path / "backups").iterdir()
    new = RunningSite(tmp_path / "new", fresh=True)
    (backup / "files/store/code/some.zip").write_bytes(b"edoc")
    assert "missing or damaged: store/code/some.zip" in refused(
        new, "restore", str(backup)
    )
    (backup / "files/store/code/some.zip").write_bytes(b"code")
    with (backup / "database.sqlite3").open("ab") as file:
        file.write(b"x")
    assert "database.sqlite3 is missing or damaged" in refused(
        new, "restore", str(backup)
    )
    assert not (new.home / "store").exists()


@pytest.mark.slow
def test_a_sweep_continues_on_postgresql(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/site/sweepsite.sqlite3"}
    file = tmp_path / "site" / "sweepsite.sqlite3"
    with postgres() as url:
        site = RunningSite(tmp_path / "site", fresh=True, **settings)
        site.start()
        sweep = site.submit(command=SLOW, limits=LIMITS)
        wait_for(lambda: len(site.training()) >= 2, "two trials", site.said)
        site.environment["DATABASE_URL"] = url
        assert "Stop it first" in refused(site, "move-database")
        site.stop()
        assert "no database" in refused(site, "move-database", "--from", "nothing")
        reader = f"import sqlite3; c = sqlite3.connect({str(file)!r});"
        reader += "c.execute('SELECT * FROM experiments_pool').fetchall(); input()"
        other = subprocess.Popen([sys.executable, "-c", reader], stdin=subprocess.PIPE)
        wait_for(lambda: file.with_name(f"{file.name}-shm").exists(), "a reader")
        assert "is in use" in refused(site, "move-database")
        other.communicate(b"\n")
        assert "All rows are in PostgreSQL" in site.manage("move-database")
        assert not file.exists() and os.path.exists(f"{file}.moved")
        site.start()
        try:
            assert site.wait_for_end(sweep)["state"] == "completed", site.story(sweep)
        finally:
            site.stop()
