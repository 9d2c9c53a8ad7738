"""Folders of backups: unchanged files are stored once, and old backups are deleted."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from experiments.backup import files, folder
from experiments.backup.files import check_files, save_files
from experiments.backup.folder import NAME, delete_old, make_backup
from experiments.backup.rows import BackupError
from experiments.management.progress import ProgressBar


def silent(step: str, done: int, total: int) -> None:
    assert done <= total


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for name in ("store/code/a.zip", "store/attempts/1/log", "store/recordings/1.npz"):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (home / "store/code/.part-x").write_text("half")
    (home / "secret_key").write_text("key")
    (home / "queue").mkdir()
    (home / "queue" / "dump").write_text("jobs")
    return home


def test_only_what_cannot_be_made_again_is_copied(home: Path, tmp_path: Path) -> None:
    saved = save_files(home, tmp_path / "one", silent)
    assert set(saved) == {"secret_key", "store/code/a.zip", "store/attempts/1/log"}
    check_files(tmp_path / "one", saved, silent)
    (tmp_path / "one/store/attempts/1/log").write_text("store/attempts/1/lag")
    with pytest.raises(BackupError, match="or damaged: store/attempts/1/log"):
        check_files(tmp_path / "one", saved, silent)


def test_unchanged_files_take_space_once(home: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    first = save_files(home, one, silent)
    with (home / "store/attempts/1/log").open("a") as log:
        log.write("more")
    second = save_files(home, two, silent, earlier=(one, first))
    check_files(one, first, silent)
    check_files(two, second, silent)
    assert (two / "store/code/a.zip").samefile(one / "store/code/a.zip")
    assert not (two / "store/attempts/1/log").samefile(one / "store/attempts/1/log")
    assert not (two / "store/code/a.zip").samefile(home / "store/code/a.zip")


def test_files_that_are_deleted_meanwhile_are_left_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = files.copy_file

    def late(source: Path, target: Path) -> Any:
        if source.name == "log":
            source.unlink()
        return copy(source, target)

    monkeypatch.setattr(files, "copy_file", late)
    saved = save_files(home, tmp_path / "one", silent)
    assert "store/attempts/1/log" not in saved
    check_files(tmp_path / "one", saved, silent)


def test_the_newest_of_each_day_and_week_stay(tmp_path: Path) -> None:
    newest = datetime(2026, 3, 31, 2, 30, tzinfo=UTC)
    times = [newest - timedelta(hours=12 * n) for n in range(120)]
    for made_at in times:
        (tmp_path / made_at.strftime(NAME)).mkdir()
    (tmp_path / "sweepsite-by-hand").mkdir()
    deleted = delete_old(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    days = ["31", "30", "29", "28", "27", "26", "25"]
    # Weeks end on Sundays: 29, 22 and 15 March.
    weeks = ["22", "15"]
    assert [name[18:20] for name in left[:-1]] == sorted([*days, *weeks])
    assert left[-1] == "sweepsite-by-hand"
    assert len(deleted) == len(times) - len(days) - len(weeks)


def test_a_backup_that_fails_leaves_nothing(
    home: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HOME = home

    def full(*arguments: object) -> dict[str, int]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "save_database", full)
    with pytest.raises(OSError, match="No space left"):
        make_backup(tmp_path / "backups", silent)
    assert os.listdir(tmp_path / "backups") == []
    with pytest.raises(BackupError, match="is in the data folder"):
        make_backup(home / "store" / "backups", silent)


def test_the_bar_of_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(OutputWrapper):
        def isatty(self) -> bool:
            return True

    import sys

    bar = ProgressBar(Terminal(sys.stdout))
    bar("rows copied", 0, 4)
    bar("rows copied", 2, 4)
    bar("bytes of files", 1 << 20, 1 << 21)
    bar.end()
    lines = capsys.readouterr().out.replace("\r\x1b[K", "\n").splitlines()
    assert lines[2] == f"[{'#' * 12}{'.' * 12}] 2 of 4 rows copied"
    assert lines[-1].startswith(f"[{'#' * 12}.") and lines[-1].endswith(", files")


@pytest.mark.parametrize(
    "name", ["/etc/cron.d/x", "store/../../x", "../x", "bin/activate", ""]
)
def test_a_backup_that_names_other_places_is_not_read(
    tmp_path: Path, name: str
) -> None:
    manifest = folder.Manifest(
        1, "", "", "sqlite", "", {}, {name: files.FileFacts(0, "", 0)}
    )
    (tmp_path / folder.MANIFEST).write_text(json.dumps(asdict(manifest)))
    with pytest.raises(BackupError, match="does not belong in"):
        folder.read_manifest(tmp_path)
