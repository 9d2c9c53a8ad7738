"""A slot's process: what it is started with, and how little it holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.management.commands.worker import slot_command
from experiments.workers import slot

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
