"""What ``up`` asks its processes."""

from __future__ import annotations

import os
from pathlib import Path

from experiments.management.commands.up import RoundFile


def test_a_scheduler_answers_as_long_as_it_makes_rounds(tmp_path: Path) -> None:
    path = tmp_path / "scheduler_round"
    rounds = RoundFile(path)
    assert not rounds.has_moved()
    for moment in (5, 9, 3):
        path.touch()
        os.utime(path, ns=(moment, moment))
        assert rounds.has_moved()
        assert not rounds.has_moved()
