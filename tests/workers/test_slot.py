"""A slot's process: what it is started with, and how little it holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from experiments.runner import cleanup
from experiments.runner.launch import RUN_AS
from experiments.workers import slot
from experiments.workers.run_as import as_trials_user
from experiments.workers.worker import slot_command

ROOT = Path(__file__).resolve().parents[2]
# What would make each fork of it, and there is one for each trial, cost more.
HEAVY = ("numpy", "scipy", "ninja", "django.contrib.admin", "experiments.models")
LOADED = f"""
import sys, experiments.workers.slot
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_it_is_started_with_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr("logging.config.dictConfig", lambda settings: None)
    monkeypatch.setattr(
        slot, "run_slot", lambda number, **names: started.append((number, names))
    )
    names = {"pool": "gpu pool", "worker": 7, "name": "-odd name"}
    asked, *words = slot_command(3, **names)
    slot.main(words)
    assert asked == "slot"
    assert started == [(3, names)]


def test_it_loads_neither_models_nor_the_search(tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "sweepsite.settings",
            "SWEEPSITE_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.split() == [], loaded.stderr
    assert loaded.returncode == 0, loaded.stderr


@pytest.mark.parametrize("by", ["worker", "housekeeping"])
def test_links_of_the_trials_user_do_not_lead_root_elsewhere(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root, as whom the suite runs; outside the tests' private folders."""
    with tempfile.TemporaryDirectory(prefix="sweepsite-links-") as folder:
        home, victim = Path(folder, "home"), Path(folder, "victim")
        (victim / "41").mkdir(parents=True)
        home.mkdir()
        (home / "attempts").symlink_to(victim)
        for path in (folder, home, victim):
            os.chmod(path, 0o755)
        os.utime(victim / "41", (0, 0))
        monkeypatch.setenv(RUN_AS, "nobody")
        if by == "worker":
            as_trials_user(lambda: cleanup.clear(home))
        else:
            arguments = ["cleanup", f"--home={home}", f"--parent={os.getpid()}"]
            monkeypatch.setattr(sys, "argv", arguments)
            child = os.fork()
            if child == 0:
                os._exit(cleanup.main())
            assert os.waitpid(child, 0)[1] == 0
        assert (victim / "41").exists()
        monkeypatch.delenv(RUN_AS)
        cleanup.clear(home)
        assert not (victim / "41").exists()
