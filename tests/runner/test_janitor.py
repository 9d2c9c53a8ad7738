"""The janitor's folders; its processes are in test_trees."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from experiments.runner import cleanup


def aged(path: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


def test_a_lost_attempt_s_folder_is_removed(home: Path) -> None:
    folder = home / "attempts/41/work"
    folder.mkdir(parents=True)
    cleanup.remove_attempt(41, home=home)
    cleanup.remove_attempt(41, home=home)
    assert list((home / "attempts").iterdir()) == []


def test_an_id_cannot_lead_out_of_the_home(home: Path) -> None:
    with pytest.raises(ValueError, match="is not an attempt id"):
        cleanup.remove_attempt("../..", home=home)


def test_what_was_not_touched_for_long_is_cleared(home: Path) -> None:
    for name in ("1", "2"):
        (home / "attempts" / name / "work").mkdir(parents=True)
    (home / "code").mkdir()
    for name in ("old.zip", "new.zip"):
        (home / "code" / name).write_text("x")
    aged(home / "attempts/1", 8)
    aged(home / "code/old.zip", 31)
    assert cleanup.clear(home) == [home / "attempts/1", home / "code/old.zip"]
    assert (home / "attempts/2").exists()
    assert (home / "code/new.zip").exists()


def test_a_home_that_is_not_there_yet_is_clear(tmp_path: Path) -> None:
    assert cleanup.clear(tmp_path / "nowhere") == []
