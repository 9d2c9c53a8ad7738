"""Which files a process tree is writing at this moment.

Linux only, through /proc; elsewhere nothing is known, and nothing is found.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from experiments.runner.processes import PROC

# Device and inode: a file, whatever its name.
FileId: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Writers:
    """Files that are open for writing: `changing` ones anywhere in them, `growing`
    ones, such as logs, at their end only. `pids` are the processes that were looked
    at."""

    changing: frozenset[FileId] = frozenset()
    growing: frozenset[FileId] = frozenset()
    pids: frozenset[int] = frozenset()

    def tells_of(self, before: Writers) -> bool:
        """Whether all who wrote before still live: of others nothing can be seen."""
        return bool(self.pids) and before.pids <= self.pids


def writers(pids: Iterable[int]) -> Writers:
    """What these processes have open for writing, as far as this user may see."""
    changing: set[FileId] = set()
    growing: set[FileId] = set()
    seen = frozenset(pids)
    for pid in seen:
        for descriptor in _descriptors(PROC / str(pid)):
            found = _written(PROC / str(pid), descriptor)
            if found is not None:
                file, only_grows = found
                (growing if only_grows else changing).add(file)
    return Writers(frozenset(changing), frozenset(growing - changing), seen)


def _descriptors(process: Path) -> list[str]:
    try:
        return os.listdir(process / "fd")
    except OSError:
        return []


def _written(process: Path, descriptor: str) -> tuple[FileId, bool] | None:
    """The plain file behind a descriptor that may write, and whether it appends."""
    try:
        status = os.stat(process / "fd" / descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        fields = (process / "fdinfo" / descriptor).read_text().split()
        flags = int(fields[fields.index("flags:") + 1], 8)
    except (OSError, ValueError, IndexError):
        return None
    if not flags & os.O_ACCMODE:
        return None
    return (status.st_dev, status.st_ino), bool(flags & os.O_APPEND)
