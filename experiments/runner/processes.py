"""The host's processes: descendants, markers in their environment, memory, open files.

On Linux all comes from /proc: a trial's end reads the whole table several times.
Elsewhere psutil gives the parents only, so a process that init has adopted is not
found, and nothing is known about open files.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

PROC = Path("/proc")

# Device and inode: a file, whatever its name.
FileId: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Process:
    """One line of the process table. A zombie has ended and waits to be reaped."""

    pid: int
    parent: int
    zombie: bool


def process_table() -> list[Process]:
    """Every process of the host that this user may see."""
    if (PROC / "self/stat").exists():
        return [process for pid in _pids() if (process := _from_proc(pid))]
    return _from_psutil()


def descendants(root: int) -> list[int]:
    """Living descendants of `root`, without itself, parents before children."""
    children: dict[int, list[Process]] = {}
    for process in process_table():
        children.setdefault(process.parent, []).append(process)
    found: list[int] = []
    waiting = [root]
    while waiting:
        for process in children.get(waiting.pop(0), ()):
            waiting.append(process.pid)
            if not process.zombie:
                found.append(process.pid)
    return found


def environment_of(pid: int) -> Mapping[str, str]:
    """The environment a process was started with; empty when it cannot be read."""
    return _parsed(_bytes_of(pid, "environ"))


def _parsed(raw: bytes) -> Mapping[str, str]:
    entries = (entry.partition(b"=") for entry in raw.split(b"\0"))
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in entries if name}


def marked(marker: str, matches: Callable[[Mapping[str, str]], bool]) -> list[int]:
    """Living processes, without this one, whose environment has the variable `marker`
    and satisfies `matches`. Every trial searches the whole host, so an environment
    without the marker's name is not parsed."""
    own, name = os.getpid(), os.fsencode(f"{marker}=")
    raw = ((pid, _bytes_of(pid, "environ")) for pid in _pids() if pid != own)
    return [pid for pid, text in raw if name in text and matches(_parsed(text))]


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of these processes together; 0 without /proc."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(_resident_pages(pid) for pid in pids) * page


def proportional_bytes(pids: Iterable[int]) -> int:
    """Resident memory, with shared pages divided among their processes (Linux)."""
    return sum(_proportional(pid) for pid in pids)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal one process; it is no error if it has already gone."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_if(pid: int, still_wanted: Callable[[], bool]) -> bool:
    """SIGKILL `pid` if `still_wanted()`, safe against reuse of its number.

    On Linux 5.3 and later, the check comes after opening a handle of the process, so a
    new process with the same number is never killed.
    """
    if not hasattr(os, "pidfd_open"):
        if still_wanted():
            send_signal(pid, signal.SIGKILL)
            return True
        return False
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not still_wanted():
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return []


def _bytes_of(pid: int, name: str) -> bytes:
    """A file of a process; empty if it cannot be read. Without objects for path and
    file, since every trial reads it several times for each process of the host."""
    try:
        file = os.open(f"{PROC}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return b"".join(iter(lambda: os.read(file, 1 << 16), b""))
    except OSError:
        return b""
    finally:
        os.close(file)


def _from_proc(pid: int) -> Process | None:
    stat = _bytes_of(pid, "stat")
    if not stat:
        return None
    # The command's name is in brackets and may contain spaces and brackets itself.
    state, parent = stat[stat.rindex(b")") + 2 :].split(None, 2)[:2]
    return Process(pid, int(parent), state in (b"Z", b"X"))


def _from_psutil() -> list[Process]:
    import psutil  # Several times slower, and slow to load.

    found = psutil.process_iter(["pid", "ppid", "status"])
    rows = (process.info for process in found)
    return [
        Process(row["pid"], row["ppid"] or 0, row["status"] == psutil.STATUS_ZOMBIE)
        for row in rows
    ]


def _proportional(pid: int) -> int:
    """Slow to read for large processes, and sometimes forbidden."""
    try:
        fields = (PROC / str(pid) / "smaps_rollup").read_bytes().split()
        return int(fields[fields.index(b"Pss:") + 1]) * 1024
    except (OSError, ValueError, IndexError):
        return resident_bytes([pid])


def _resident_pages(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_bytes().split()[1])
    except (OSError, IndexError):
        return 0


@dataclass(frozen=True)
class Writers:
    """Files that are open for writing: `changing` ones anywhere, `growing` ones, such
    as logs, only at their end. `pids` are the processes that were examined."""

    changing: frozenset[FileId] = frozenset()
    growing: frozenset[FileId] = frozenset()
    pids: frozenset[int] = frozenset()

    def covers(self, before: Writers) -> bool:
        """Whether all processes of `before` still live, so that their files are
        seen."""
        return bool(self.pids) and before.pids <= self.pids


def writers(pids: Iterable[int]) -> Writers:
    """What these processes have open for writing, as far as this user can see."""
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
    """The regular file behind a writable descriptor, and whether it appends."""
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
