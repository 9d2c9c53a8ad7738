"""The pages on security name tests that exist, and answer every requirement."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("security.md", "security-asvs.md")
STATES = {"met", "not applicable", "not met"}
# How many requirements ASVS 5.0.0 has in its levels 1 and 2.
REQUIREMENTS = {"1": 70, "2": 183}


def text(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


def rows() -> list[list[str]]:
    """Requirements, level, words, state and reason of each row of the table."""
    lines = text("security-asvs.md").splitlines()
    found = [
        line.strip("| ").split(" | ") for line in lines if re.match(r"\| \d", line)
    ]
    assert all(len(row) == 5 for row in found)
    return found


def test_every_named_test_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text(PAGES[1])))
    for file, name in sorted(named):
        assert f"def {name}(" in (ROOT / file).read_text(), f"{file}::{name}"
    assert len(named) > 100


def test_every_requirement_has_one_answer() -> None:
    for level, count in REQUIREMENTS.items():
        ids = [i for row in rows() if row[1] == level for i in row[0].split(", ")]
        assert len(ids) == len(set(ids)) == count


def test_every_answer_has_its_reason() -> None:
    for ids, _, _, state, reason in rows():
        assert state in STATES, ids
        assert "Plan: " in reason or state != "not met", ids
    counts = [sum(r[3] == s for r in rows() for _ in r[0].split(", ")) for s in STATES]
    assert sum(counts) == sum(REQUIREMENTS.values())
