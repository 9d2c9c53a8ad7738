"""What a command loads before it does anything: a process that died is soon back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = re.compile(r"^import time: .*\|\s+([\w.]+)$", re.MULTILINE)


def loaded(tmp_path: Path, *command: str) -> tuple[str, set[str]]:
    """What it says, and the modules that it imports on the way."""
    environment = {**os.environ, "SWEEPSITE_HOME": str(tmp_path), "DATABASE_URL": ""}
    for name in ("SWEEPSITE_URL", "SWEEPSITE_WORKER_TOKEN", "REDIS_URL"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr, set(IMPORTED.findall(done.stderr))


def test_a_worker_loads_neither_models_nor_the_search(tmp_path: Path) -> None:
    said, names = loaded(tmp_path, "manage.py", "worker")
    assert "These must be set: SWEEPSITE_URL" in said
    assert "experiments.runner.cleanup" in names
    heavy = ("numpy", "rq", "ninja", "django.contrib.admin", "experiments.models")
    assert not names.intersection(heavy)


def test_the_supervisor_loads_no_applications_and_not_the_queue(tmp_path: Path) -> None:
    said, names = loaded(tmp_path, "manage.py", "up", "--port", "0")
    assert "--port must be from 1 to 65535" in said
    heavy = ("numpy", "redis", "rq", "django.db.models", "experiments.models")
    assert not names.intersection(heavy)


@pytest.mark.parametrize("command", ["scheduler", "sweep"])
def test_no_command_waits_for_the_parts_of_scipy(tmp_path: Path, command: str) -> None:
    _, names = loaded(tmp_path, "manage.py", command, "--help")
    assert "experiments.search.samplers" in names
    assert not [name for name in names if re.match(r"scipy\.[a-z]\w+\.", name)]
    assert ("pydantic" in names) is (command != "scheduler")
