"""The folder of an attempt is made afresh and goes without a trace."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from experiments.runner.folder import AttemptFolder

NOBODY = 65534


def as_an_ordinary_user(act: Callable[[], None]) -> bool:
    """Whether `act` succeeds without the superuser's rights, in a process apart."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        act()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def remove_what_a_script_has_locked() -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = AttemptFolder.of(Path(home), "41")
        folder.create()
        inner = folder.work / "deep/er"
        inner.mkdir(parents=True)
        (inner / "file").write_text("x")
        (inner / "link").symlink_to("/etc")
        inner.chmod(0o500)
        inner.parent.chmod(0)
        folder.remove()
        if folder.root.exists():
            raise AssertionError("the folder is still there")


def test_folders_without_permissions_are_removed_too() -> None:
    assert as_an_ordinary_user(remove_what_a_script_has_locked)


def test_a_new_folder_holds_nothing_old_and_is_private(tmp_path: Path) -> None:
    folder = AttemptFolder.of(tmp_path, "41")
    folder.create()
    (folder.work / "old").write_text("x")
    folder.create()
    assert list(folder.work.iterdir()) == []
    assert list(folder.work.iterdir()) == []
    assert folder.root.stat().st_mode & 0o077 == 0


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    folder = AttemptFolder.of(tmp_path, "41")
    folder.create()
    (folder.work / "link").symlink_to(outside)
    folder.remove()
    assert (outside / "kept").exists()
    assert not folder.root.exists()
