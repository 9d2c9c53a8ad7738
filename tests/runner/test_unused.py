"""What a worker clears away when it starts."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from experiments.runner import janitor
from experiments.runner.environment_room import MARK
from experiments.runner.file_lock import FileLock
from experiments.runner.tools import ENVIRONMENTS_LIMIT, RESUME_LIMIT
from experiments.runner.unused import clear_resume, clear_shared

MONTH = 31 * 24 * 3600.0


def mirror(home: Path, name: str, *, age: float) -> Path:
    folder = home / "repositories" / f"{name}.git"
    (folder / "objects").mkdir(parents=True)
    os.utime(folder, (time.time() - age, time.time() - age))
    return folder


def test_mirrors_that_nobody_uses_go(tmp_path: Path) -> None:
    old = mirror(tmp_path, "old", age=MONTH)
    young = mirror(tmp_path, "young", age=60)
    used = mirror(tmp_path, "used", age=MONTH)
    lock = FileLock(used.with_suffix(".lock"))
    assert lock.try_alone()
    assert clear_shared(tmp_path, days=30) == [old]
    lock.close()
    assert young.exists()
    assert used in janitor.clear(tmp_path)


def test_environments_keep_to_the_worker_s_limit(tmp_path: Path) -> None:
    folder = tmp_path / "environments" / "a"
    folder.mkdir(parents=True)
    (folder / MARK).write_text("{}")
    (tmp_path / "environments" / "b.failed").write_text("{}")
    limit = {ENVIRONMENTS_LIMIT: "1000"}
    assert clear_shared(tmp_path, days=30, worker=limit) == []
    failure = tmp_path / "environments" / "b.failed"
    assert failure.exists(), "it speaks to trials that wait"
    os.utime(failure, (0, 0))
    assert clear_shared(tmp_path, days=30, worker=limit) == []
    assert not failure.exists()
    limit = {ENVIRONMENTS_LIMIT: "1"}
    assert clear_shared(tmp_path, days=30, worker=limit) == [folder]


def test_nothing_is_made_where_nothing_was(tmp_path: Path) -> None:
    assert clear_shared(tmp_path / "none", days=30) == []
    assert not (tmp_path / "none").exists()


def resumed(home: Path, name: str, *, age: float) -> Path:
    file = home / "resume" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bytes(100))
    os.utime(file, (time.time() - age, time.time() - age))
    return file


def test_files_to_resume_from_keep_to_a_limit_and_new_ones_stay(tmp_path: Path) -> None:
    hour = 3600.0
    fresh = [resumed(tmp_path, f"fresh{number}", age=number) for number in range(5)]
    old = resumed(tmp_path, "old", age=25 * hour)
    second = resumed(tmp_path, "second", age=2 * hour)
    third = resumed(tmp_path, "third", age=hour)
    limit = {RESUME_LIMIT: "600"}
    cache = tmp_path / "resume"
    assert clear_resume(cache, days=1, worker=limit) == [old, second]
    assert clear_resume(cache, days=1, worker=limit) == []
    assert clear_resume(cache, days=1, worker={RESUME_LIMIT: "0"}) == [third]
    assert all(file.exists() for file in fresh)


def test_a_mirror_of_which_something_stays_is_no_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = mirror(tmp_path, "old", age=MONTH)
    (old / "HEAD").touch()
    os.utime(old, (0, 0))

    def rmtree(folder: Path) -> None:
        raise OSError("busy")

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    assert clear_shared(tmp_path, days=30) == []
    assert not (old / "HEAD").exists()
