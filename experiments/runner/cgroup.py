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
import time
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

VARIABLE = "SWEEPSITE_CGROUP"
ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
PREFIX = "sweepsite-"
# A group is busy for a moment after the last of its processes has been collected.
REMOVE_TRIES, REMOVE_PAUSE = 20, 0.01
# Seconds until a group that nobody has entered is taken for one that was left.
NEW = 60.0


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
            # Without swap the limit is one; not every kernel counts swap.
            _try_to_write(folder / "memory.swap.max", "0")
            # The tree ends as a whole.
            _try_to_write(folder / "memory.oom.group", "1")
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
        """How many of its processes the kernel has ended for want of memory, in the
        group or in the whole system."""
        return self._event("oom_kill")

    def is_full(self) -> bool:
        """Whether the group's own limit was reached, and nothing could be freed."""
        return self._event("oom") > 0

    def _event(self, name: str) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (self._folder / "memory.events").read_text().split()
            return int(fields[fields.index(name) + 1])
        return 0

    def peak(self) -> int:
        """The most that was counted, in bytes; 0 where the kernel does not say.

        Pages of files that were read are in it, up to the limit: they are no need of
        the tree, and make room when there is one.
        """
        with contextlib.suppress(OSError, ValueError):
            return int((self._folder / "memory.peak").read_text())
        return 0

    def remove(self) -> None:
        """Once nothing is left in it."""
        with contextlib.suppress(OSError):
            os.close(self._entrance)
        remove_group(self._folder)


def remove_group(folder: Path) -> None:
    """Remove a group that nothing is left in, or leave it where that is not so."""
    for _ in range(REMOVE_TRIES):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as problem:
            logger.debug("%s is not removed yet: %s", folder, problem)
            time.sleep(REMOVE_PAUSE)


def cgroup_for(
    attempt: str, *, memory: int | None, worker: Mapping[str, str]
) -> Cgroup | None:
    """A group for an attempt with a limit in bytes; None where there can be none."""
    parent = None if memory is None else _parent(worker)
    if parent is None or memory is None:
        return None
    _remove_left(parent)
    _try_to_write(parent / "cgroup.subtree_control", "+memory")
    try:
        return Cgroup(parent / f"{PREFIX}{attempt}-{os.getpid()}", memory=memory)
    except OSError as problem:
        logger.debug("no control group, memory is only watched: %s", problem)
        return None


def _remove_left(parent: Path) -> None:
    """Empty groups of runners that were killed. The kernel keeps those in use.

    A runner in another container is not in this process table; its group is empty only
    until its training enters.
    """
    for folder in parent.glob(f"{PREFIX}*-*"):
        runner = folder.name.rpartition("-")[2]
        if runner.isdigit() and not Path("/proc", runner).exists():
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > NEW:
                    folder.rmdir()


def _try_to_write(file: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        file.write_text(text)


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
