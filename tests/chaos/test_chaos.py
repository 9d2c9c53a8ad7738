"""The scenarios in a small form; their full form is slow, and the command's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.case import Case
from tests.chaos.scenarios import SCENARIOS

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

DATABASE = "postgres" if os.environ.get("TEST_DATABASE_URL") else "sqlite"
# Scenario -> size, for every run of the suite; the seed is always the same one.
SMOKE = {"chaos": 8}
SMALL = {
    "nasty-scripts": 5,
    **{"failpoints": 12, "queue-amnesia": 10, "queue-outage": 15, "db-restart": 4},
    **{"web-down": 15, "site-away": 15, "split-brain": 22, "split-ride-out": 22},
    **{"freeze": 22, "clock-chaos": 8},
    **{"dup-delivery": 6, "two-brains": 20, "fast-fail": 500, "stop-storm": 8},
    **{"delete-live": 2, "log-flood": 4, "slots": 100},
    **{"power-cut": 40, "restore": 8, "db-locked": 25, "db-away": 15},
    **{"disk-full": 4, "queue-full": 6, "metric-flood": 4, "soak": 120},
}


def run(name: str, size: int, folder: Path, seed: int = 1) -> None:
    scenario = SCENARIOS[name]
    if DATABASE not in scenario.databases:
        pytest.skip(f"{name} is for {scenario.databases[0]}")
    if problem := scenario.obstacle():
        if os.environ.get("CI"):
            pytest.fail(f"{problem}; CI needs it")
        pytest.skip(problem)
    case = Case(folder, DATABASE, seed, size)
    problems = scenario.run(case)
    assert not problems, f"seed {seed}, logs in {folder}: {problems}\n{case.figures}"


@pytest.mark.parametrize("name", SMOKE)
def test_smoke(name: str, tmp_path: Path) -> None:
    run(name, SMOKE[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", (1, 2))
@pytest.mark.parametrize("name", SMALL)
def test_small(name: str, seed: int, tmp_path: Path) -> None:
    run(name, SMALL[name], tmp_path, seed)
