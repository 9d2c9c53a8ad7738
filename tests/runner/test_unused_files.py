"""What a worker clears away when it starts."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from experiments.runner import cleanup, venv_cache
from experiments.runner.environment import (
    CODE_LIMIT,
    ENVIRONMENTS_LIMIT,
    REPOSITORIES_LIMIT,
    RESUME_LIMIT,
)
from experiments.runner.file_lock import FileLock, in_use_lock
from experiments.runner.venv_cache import MARK, clear_code, clear_resume, clear_shared

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
    removed = []
    for path in (used.with_suffix(".lock"), in_use_lock(used)):
        lock = FileLock(path)
        assert lock.try_alone()
        removed += clear_shared(tmp_path, days=30)
        assert used.exists()
        lock.close()
    assert removed == [old]
    assert young.exists()
    assert used in cleanup.clear(tmp_path)


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


def test_archives_of_code_keep_to_a_limit_and_new_ones_stay(tmp_path: Path) -> None:
    hour = 3600.0
    fresh = resumed(tmp_path, "fresh", age=1)
    oldest = resumed(tmp_path, "oldest", age=3 * hour)
    older = resumed(tmp_path, "older", age=2 * hour)
    cache = tmp_path / "resume"
    assert clear_code(cache, days=30) == []
    assert clear_code(cache, days=30, worker={CODE_LIMIT: "299"}) == [oldest]
    assert clear_code(cache, days=30, worker={CODE_LIMIT: "0"}) == [older]
    assert fresh.exists()


def test_mirrors_keep_to_a_limit_and_those_in_use_stay(tmp_path: Path) -> None:
    hour = 3600.0
    names = {"fresh": 1.0, "used": 4 * hour, "oldest": 3 * hour, "older": 2 * hour}
    made = {}
    for name, age in names.items():
        made[name] = mirror(tmp_path, name, age=age)
        (made[name] / "objects" / "pack").write_bytes(bytes(100))
    reads = FileLock(in_use_lock(made["used"]))
    assert reads.try_alone()
    limit = {REPOSITORIES_LIMIT: "399"}
    assert clear_shared(tmp_path, days=30) == []
    assert clear_shared(tmp_path, days=30, worker=limit) == [made["oldest"]]
    limit = {REPOSITORIES_LIMIT: "0"}
    assert clear_shared(tmp_path, days=30, worker=limit) == [made["older"]]
    reads.close()
    assert clear_shared(tmp_path, days=30, worker=limit) == [made["used"]]
    assert made["fresh"].exists()


def test_what_was_used_since_it_was_seen_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = resumed(tmp_path, "old", age=MONTH)
    used = mirror(tmp_path, "old", age=MONTH)

    def seen_before(*_: object, **__: object) -> float:
        """A trial begins to use both while the rounds look at them."""
        os.utime(file)
        os.utime(used)
        return now

    now = time.time()
    monkeypatch.setattr(venv_cache.time, "time", seen_before)
    assert clear_code(file.parent, days=30) == []
    os.utime(used, (0, 0))
    assert clear_shared(tmp_path, days=30) == []
    assert file.exists() and used.exists()


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
