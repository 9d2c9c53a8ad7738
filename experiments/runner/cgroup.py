"""A memory limit that the kernel keeps for a whole tree: a control group of its own.

Only with cgroup v2, and only where the worker may make groups: in the folder that
SWEEPSITE_CGROUP names, else beside the worker's own group when that subtree has been
delegated to it. Whether it may is found out by trying. The tree's memory is watched in
any case, so nothing depends on it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

VARIABLE = "SWEEPSITE_CGROUP"
ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
PREFIX = "sweepsite-"


class Cgroup:
    """One group with a limit. Processes enter it before they exec."""

    def __init__(self, folder: Path, *, memory: int) -> None:
        """Raises OSError where that cannot be."""
        self._folder = folder
        folder.mkdir(exist_ok=True)
        try:
            if not (folder / "memory.max").exists():
                raise FileNotFoundError(f"{folder} has no memory controller")
            (folder / "memory.max").write_text(str(memory))
            with contextlib.suppress(OSError):
                # Without swap the limit is one; the tree ends as a whole.
                (folder / "memory.swap.max").write_text("0")
                (folder / "memory.oom.group").write_text("1")
            self._entrance = os.open(folder / "cgroup.procs", os.O_WRONLY)
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise

    def enter(self) -> None:
        """Move the calling process; one that may not stays where it is."""
        with contextlib.suppress(OSError):
            os.write(self._entrance, b"0")

    def kills(self) -> int:
        """How many of its processes the kernel has ended for want of memory."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (self._folder / "memory.events").read_text().split()
            return int(fields[fields.index("oom_kill") + 1])
        return 0

    def peak(self) -> int:
        """The most that it took, in bytes; 0 where the kernel does not say."""
        with contextlib.suppress(OSError, ValueError):
            return int((self._folder / "memory.peak").read_text())
        return 0

    def remove(self) -> None:
        """Once nothing is left in it."""
        with contextlib.suppress(OSError):
            os.close(self._entrance)
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def cgroup_for(
    attempt: str, *, memory: int | None, worker: Mapping[str, str]
) -> Cgroup | None:
    """A group for an attempt with a limit in bytes; None where there can be none."""
    parent = None if memory is None else _parent(worker)
    if parent is None or memory is None:
        return None
    with contextlib.suppress(OSError):
        (parent / "cgroup.subtree_control").write_text("+memory")
    try:
        return Cgroup(parent / f"{PREFIX}{attempt}", memory=memory)
    except OSError as problem:
        logger.debug("no control group, memory is only watched: %s", problem)
        return None


def _parent(worker: Mapping[str, str]) -> Path | None:
    if named := worker.get(VARIABLE):
        return Path(named)
    if not (ROOT / "cgroup.controllers").exists():
        return None
    with contextlib.suppress(OSError):
        for line in OWN.read_text().splitlines():
            own = line.removeprefix("0::/")
            if own not in (line, ""):
                return (ROOT / own).parent
    return None
