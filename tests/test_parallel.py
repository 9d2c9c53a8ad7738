"""How the suite is spread over processes: not where its tests measure, and by lanes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import parallel

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("named", "marks", "spread"),
    [
        ("tests", "not slow", True),
        ("tests/", "not processes and not browser and not slow", True),
        ("tests", "slow", False),
        ("tests", "not processes and not browser", False),
        ("tests", "", False),
        ("tests/test_jobs.py", "not slow", False),
    ],
)
def test_slow_tests_and_named_ones_run_in_one_process(
    named: str, marks: str, spread: bool
) -> None:
    config: Any = SimpleNamespace(
        args=[named],
        option=SimpleNamespace(markexpr=marks),
        getini=lambda name: ["tests"],
    )
    assert (parallel.how_many(config) > 1) is spread


def test_two_lanes_hold_whatever_starts_installations() -> None:
    assert all((ROOT / place).exists() for place in parallel.LANES)
    kills, ends, walk = (
        parallel.lane(f"tests/{file}.py")
        for file in ("processes/test_kills", "processes/test_ends", "browser/test_walk")
    )
    assert kills == walk != ends
    assert len({*parallel.LANES.values()}) == 2
    assert parallel.lane("tests/test_parallel.py") is None
