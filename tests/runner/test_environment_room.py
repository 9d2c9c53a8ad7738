"""Which environments are removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from experiments.runner.environment_room import (
    MARK,
    USUAL_LIMIT,
    limit_from,
    make_room,
    remove_unused,
)
from experiments.runner.file_lock import FileLock

DAY = 24 * 3600.0


def environment(root: Path, name: str, *, days: float, size: int = 100) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "package.py").write_bytes(bytes(size))
    (folder / MARK).touch()
    used = time.time() - days * DAY
    os.utime(folder / MARK, (used, used))
    return folder


def test_what_was_not_used_for_long_goes(tmp_path: Path) -> None:
    old = environment(tmp_path, "old", days=31)
    environment(tmp_path, "young", days=29)
    assert remove_unused(tmp_path, days=30, limit=10_000) == [old]
    assert not old.exists()
    assert remove_unused(tmp_path / "none", days=30, limit=0) == []


def test_the_longest_unused_go_until_the_rest_fits(tmp_path: Path) -> None:
    for days in (1, 2, 3):
        environment(tmp_path, f"e{days}", days=days)
    removed = make_room(tmp_path, limit=150, keep=tmp_path / "e3")
    assert [folder.name for folder in removed] == ["e2", "e1"]
    assert (tmp_path / "e3").exists()


def test_one_that_is_in_use_stays(tmp_path: Path) -> None:
    folder = environment(tmp_path, "used", days=40)
    lock = FileLock(tmp_path / "used.lock")
    assert lock.try_alone()
    assert remove_unused(tmp_path, days=30, limit=0) == []
    assert (folder / MARK).exists()
    lock.close()
    assert remove_unused(tmp_path, days=30, limit=0) == [folder]


@pytest.mark.parametrize(
    ("text", "limit"), [("", USUAL_LIMIT), ("x", USUAL_LIMIT), ("5000", 5000)]
)
def test_the_limit_is_a_setting_of_the_worker(text: str, limit: int) -> None:
    assert limit_from(text) == limit
