"""Disks that are so small that they can be filled: file systems in memory. Needs root
and Linux."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MB = 1 << 20
PIECES = (MB, 4096, 1)


def no_small_disks() -> str:
    """Why there can be no small disks here; "" when there can."""
    if os.getuid() != 0:
        return "mounting a small disk needs root"
    with tempfile.TemporaryDirectory(prefix="sweepsite-disk-") as folder:
        tried = _mount(Path(folder), MB)
        if tried.returncode == 0:
            _unmount(Path(folder))
            return ""
    return f"no small disk can be mounted here: {tried.stderr.strip()}"


class Volume:
    """A mounted disk. A separate file fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / ".ballast"

    def fill(self) -> None:
        """To the last byte; what others free meanwhile is filled by another call."""
        file = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in PIECES:
                _write_while_possible(file, b"\0" * size)
        finally:
            os.close(file)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


def _write_while_possible(file: int, piece: bytes) -> None:
    try:
        while os.write(file, piece):
            pass
    except OSError:
        return


@contextmanager
def volume(folder: Path, *, megabytes: int) -> Iterator[Volume]:
    """An empty disk at that folder, until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = _mount(folder, megabytes * MB)
    assert mounted.returncode == 0, mounted.stderr
    try:
        yield Volume(folder)
    finally:
        _unmount(folder)


def _mount(folder: Path, size: int) -> subprocess.CompletedProcess[str]:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


def _unmount(folder: Path) -> None:
    """Also while a process still has a file open there."""
    subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)
