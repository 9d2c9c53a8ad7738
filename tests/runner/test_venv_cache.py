"""Which environments, mirrors and cached files are removed."""

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
from experiments.runner.venv_cache import (
    MARK,
    USUAL_LIMIT,
    bytes_from,
    clear_code,
    clear_resume,
    clear_shared,
    remove_unused,
    size_of,
)

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
    removed = remove_unused(tmp_path, days=30, limit=150, keep=tmp_path / "e3")
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
    assert bytes_from({"LIMIT": text}, "LIMIT", usual=USUAL_LIMIT) == limit


def test_a_folder_that_pip_fills_meanwhile_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is seen there may be gone at the next look."""
    old = environment(tmp_path, "old", days=2)
    building = tmp_path / "building"
    (building / "lib").mkdir(parents=True)
    (building / "lib" / "pip-tmp").touch()
    lock = FileLock(tmp_path / "building.lock")
    assert lock.try_alone()
    real = os.lstat

    def lstat(path: str) -> os.stat_result:
        if "pip-tmp" in str(path):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os, "lstat", lstat)
    assert size_of(building) == 0
    assert remove_unused(tmp_path, days=30, limit=50) == [old]
    assert building.exists()
    lock.close()
    assert remove_unused(tmp_path, days=30, limit=50) == [building], "of no use"


def test_the_size_in_the_mark_is_used(tmp_path: Path) -> None:
    folder = environment(tmp_path, "e", days=1, size=10)
    (folder / MARK).write_text('{"bytes": 1000}')
    assert remove_unused(tmp_path, days=30, limit=1000) == []
    assert remove_unused(tmp_path, days=30, limit=999) == [folder]


def test_heartbeats_continue_while_it_measures_and_removes(tmp_path: Path) -> None:
    folder = environment(tmp_path, "e", days=40)
    for number in range(50):
        (folder / f"module{number}.py").touch()
    outside = tmp_path / "outside.txt"
    outside.write_text("stays")
    (folder / "link").symlink_to(outside)
    (folder / "folder").symlink_to(tmp_path)
    shown: list[int] = []
    size_of(folder, show=lambda: shown.append(1))
    assert shown == [1]
    removed = remove_unused(tmp_path, days=30, limit=0, show=lambda: shown.append(1))
    assert removed == [folder]
    assert len(shown) > 50
    assert not folder.exists()
    assert outside.read_text() == "stays"


def test_a_stop_while_room_is_made_leaves_no_half_environment(tmp_path: Path) -> None:
    folder = environment(tmp_path, "e", days=1)
    (folder / MARK).write_text('{"bytes": 100}')

    def stop() -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        remove_unused(tmp_path, days=30, limit=0, show=stop)
    assert not (folder / MARK).exists()
    remove_unused(tmp_path, days=30, limit=0)
    assert not folder.exists()


MONTH = 31 * 24 * 3600.0


def mirror(home: Path, name: str, *, age: float) -> Path:
    folder = home / "repositories" / f"{name}.git"
    (folder / "objects").mkdir(parents=True)
    os.utime(folder, (time.time() - age, time.time() - age))
    return folder


def test_unused_mirrors_are_removed(tmp_path: Path) -> None:
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
