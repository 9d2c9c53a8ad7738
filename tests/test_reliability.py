"""The page about faults names tests that exist, and all faults of its catalogue."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
FAULTS = 62


def test_each_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(tests/\S+\.py)::(\w+)`", PAGE))
    for path, name in sorted(named):
        text = (ROOT / path).read_text()
        assert re.search(rf"^ *def {name}\(", text, re.MULTILINE), f"{path}::{name}"
    assert len(named) == len(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


def test_each_fault_is_there_once_with_a_test_or_the_reason() -> None:
    tested, _, untested = PAGE.partition("## Not tested")
    numbers = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert sorted(map(int, numbers)) == list(range(1, FAULTS + 1))
    for row in re.findall(r"^\| (?:\d+ )?\|.*$", tested, re.MULTILINE):
        assert "::" in row, row
    assert len(re.findall(r"^\| \d+ \|", untested, re.MULTILINE)) == 3
