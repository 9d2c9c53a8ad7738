"""The host's process table: who descends from whom, who carries a marker.

Linux is read through /proc. Elsewhere `ps` gives parents only, so a process that has
been adopted by init is not found there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One line of the process table. A zombie is dead and only waits to be reaped."""

    pid: int
    parent: int
    zombie: bool


def process_table() -> list[Process]:
    """Every process of the host that this user may see."""
    if (PROC / "self/stat").exists():
        return [process for pid in _pids() if (process := _from_proc(pid))]
    return _from_ps()


def descendants(root: int) -> list[int]:
    """Living descendants of `root`, itself left out, parents before children."""
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
    """Living processes, this one left out, whose environment has the variable `marker`
    and satisfies `matches`. Every trial looks through the whole host, so what does not
    hold the marker's name is not taken apart."""
    own, name = os.getpid(), os.fsencode(f"{marker}=")
    raw = ((pid, _bytes_of(pid, "environ")) for pid in _pids() if pid != own)
    return [pid for pid, text in raw if name in text and matches(_parsed(text))]


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of these processes together; 0 where /proc is absent."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(_resident_pages(pid) for pid in pids) * page


def proportional_bytes(pids: Iterable[int]) -> int:
    """Resident memory, each page that several share counted in parts (Linux)."""
    return sum(_proportional(pid) for pid in pids)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal one process; one that has already gone is not an error."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_if(pid: int, still_wanted: Callable[[], bool]) -> bool:
    """SIGKILL `pid` if `still_wanted()`, safe against the number's reuse.

    A process handle is taken first and the check made after it, so a new process that
    was given the same number in between is never hit (Linux 5.3 and later).
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
    """A file of a process; empty when it is gone or not to be read. Without objects for
    path and file: it is read for each process of the host, several times a trial."""
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
    # The command's name stands in brackets and may hold spaces and brackets itself.
    state, parent = stat[stat.rindex(b")") + 2 :].split(None, 2)[:2]
    return Process(pid, int(parent), state in (b"Z", b"X"))


def _from_ps() -> list[Process]:
    ps = shutil.which("ps") or "/bin/ps"
    lines = subprocess.run(
        [ps, "-A", "-o", "pid=,ppid=,state="],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    rows = (line.split() for line in lines)
    return [
        Process(int(row[0]), int(row[1]), row[2].startswith("Z"))
        for row in rows
        if len(row) == 3
    ]


def _proportional(pid: int) -> int:
    """Reading it is slow for large processes, and may be forbidden."""
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
