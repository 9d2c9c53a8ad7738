"""Which environments are removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from experiments.runner.file_lock import FileLock
from experiments.runner.venv_cache import (
    MARK,
    USUAL_LIMIT,
    bytes_from,
    make_room,
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
    assert bytes_from({"LIMIT": text}, "LIMIT", usual=USUAL_LIMIT) == limit


def test_a_folder_that_pip_fills_meanwhile_harms_nobody(
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


def test_the_size_told_in_the_mark_is_believed(tmp_path: Path) -> None:
    folder = environment(tmp_path, "e", days=1, size=10)
    (folder / MARK).write_text('{"bytes": 1000}')
    assert make_room(tmp_path, limit=1000) == []
    assert make_room(tmp_path, limit=999) == [folder]


def test_measuring_and_removing_give_signs_of_life(tmp_path: Path) -> None:
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
        make_room(tmp_path, limit=0, show=stop)
    assert not (folder / MARK).exists()
    remove_unused(tmp_path, days=30, limit=0)
    assert not folder.exists()
