"""Resource limits of training processes: kernel limits per process, and a control group
(cgroup v2) that limits the memory of the whole tree.

The group needs a folder in which the worker may make groups: SWEEPSITE_CGROUP, else
beside the worker's own group if that subtree was delegated. Without one, the runner's
own watch on the tree's memory still applies.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.sources import SourceError

logger = logging.getLogger(__name__)

LIMIT_VARIABLES = {
    "SWEEPSITE_LIMIT_MEMORY_BYTES": resource.RLIMIT_AS,
    "SWEEPSITE_LIMIT_OPEN_FILES": resource.RLIMIT_NOFILE,
    "SWEEPSITE_LIMIT_PROCESSES": resource.RLIMIT_NPROC,
}

CGROUP_VARIABLE = "SWEEPSITE_CGROUP"
ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
PREFIX = "sweepsite-"
# A group is busy for a moment after the last of its processes has been collected.
REMOVE_TRIES, REMOVE_PAUSE = 20, 0.01
# Seconds after which an empty group counts as left behind.
NEW = 60.0


class LimitError(ValueError):
    """A limit in the worker's environment is not a whole number above zero."""


@dataclass(frozen=True)
class ResourceLimit:
    """One kernel limit: a RLIMIT_ constant and its value."""

    kind: int
    value: int

    def apply(self) -> None:
        """Limit this process and its descendants; never above the present maximum."""
        _, hard = resource.getrlimit(self.kind)
        ceiling = hard if hard != resource.RLIM_INFINITY else self.value
        value = min(self.value, ceiling)
        resource.setrlimit(self.kind, (value, value))


@dataclass(frozen=True)
class TrialLimits:
    """The sweep's limits for one trial; None: only the worker's limit.

    `memory_bytes` is for the whole tree. It is watched and not set as a kernel limit on
    each process's addresses, of which GPU libraries reserve terabytes. `open_files` is
    for one process.
    """

    memory_bytes: int | None = None
    open_files: int | None = None


NO_LIMITS = TrialLimits()


def read_limits(value: object) -> TrialLimits:
    """`limits` of a specification. Raises SourceError."""
    if value is None:
        return NO_LIMITS
    if not isinstance(value, dict):
        raise SourceError("limits must be an object")
    return TrialLimits(_given(value, "memory_bytes"), _given(value, "open_files"))


def _given(value: Mapping[str, object], name: str) -> int | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise SourceError(f"limits.{name} is {number!r}; it must be above zero")
    return number


def limits_from(
    worker: Mapping[str, str], asked: TrialLimits = NO_LIMITS
) -> tuple[ResourceLimit, ...]:
    """The limits of the worker's environment and of the sweep, and no core dumps.

    The sweep's limits come first: the worker's own can only lower them. The limit on
    processes counts every process of the worker's user, and does not bind the
    superuser.
    """
    set_ones = [
        ResourceLimit(LIMIT_VARIABLES[n], _whole(n, worker[n]))
        for n in LIMIT_VARIABLES
        if worker.get(n)
    ]
    if asked.open_files is not None:
        set_ones.insert(0, ResourceLimit(resource.RLIMIT_NOFILE, asked.open_files))
    return (ResourceLimit(resource.RLIMIT_CORE, 0), *set_ones)


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise LimitError(f"{name} is {text!r}; it must be a whole number above zero")
    return int(text)


class Cgroup:
    """One group with a limit. Processes enter it before they exec."""

    def __init__(self, folder: Path, *, memory: int) -> None:
        """Raises OSError if the group cannot be made."""
        self._folder = folder
        folder.mkdir(exist_ok=True)
        try:
            if not (folder / "memory.max").exists():
                raise FileNotFoundError(f"{folder} has no memory controller")
            (folder / "memory.max").write_text(str(memory))
            # With swap the limit would not hold; not every kernel counts swap.
            _try_to_write(folder / "memory.swap.max", "0")
            # The tree ends as a whole.
            _try_to_write(folder / "memory.oom.group", "1")
            self._entrance = os.open(folder / "cgroup.procs", os.O_WRONLY)
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise

    def enter(self) -> None:
        """Move the calling process into the group, if it may."""
        with contextlib.suppress(OSError):
            os.write(self._entrance, b"0")

    def kills(self) -> int:
        """How many of its processes the kernel has ended because the group or the whole
        system ran out of memory."""
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
        """The group's highest memory use, in bytes; 0 if the kernel does not say.

        It includes cached pages of files, which the kernel frees when it needs memory.
        """
        with contextlib.suppress(OSError, ValueError):
            return int((self._folder / "memory.peak").read_text())
        return 0

    def remove(self) -> None:
        """Remove the group after its last process has ended."""
        with contextlib.suppress(OSError):
            os.close(self._entrance)
        remove_group(self._folder)


def remove_group(folder: Path) -> None:
    """Remove an empty group; one that is in use stays."""
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
    """A group for an attempt with a limit in bytes; None if none can be made."""
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
    """Remove empty groups of killed runners. The kernel keeps those in use.

    A runner in another container is not in this process table, so its group must also
    be old: it is only empty until its training enters.
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
    if named := worker.get(CGROUP_VARIABLE):
        return Path(named)
    if not (ROOT / "cgroup.controllers").exists():
        return None
    with contextlib.suppress(OSError):
        for line in OWN.read_text().splitlines():
            own = line.removeprefix("0::/")
            if own not in (line, ""):
                return (ROOT / own).parent
    return None
