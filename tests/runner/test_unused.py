"""What a worker clears away when it starts."""

from __future__ import annotations

import os
import time
from pathlib import Path

from experiments.runner import janitor
from experiments.runner.environment_room import MARK
from experiments.runner.file_lock import FileLock
from experiments.runner.tools import ENVIRONMENTS_LIMIT
from experiments.runner.unused import clear_shared

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
    assert not (tmp_path / "environments" / "b.failed").exists()
    limit = {ENVIRONMENTS_LIMIT: "1"}
    assert clear_shared(tmp_path, days=30, worker=limit) == [folder]


def test_nothing_is_made_where_nothing_was(tmp_path: Path) -> None:
    assert clear_shared(tmp_path / "none", days=30) == []
    assert not (tmp_path / "none").exists()
