"""The suite is spread over processes only where none of its tests measures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests import parallel


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
