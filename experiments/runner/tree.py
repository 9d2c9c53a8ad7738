"""The training process and everything it starts: beginning, signals and end."""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from experiments.runner import kernel, processes
from experiments.runner.cgroup import Cgroup
from experiments.runner.environment import ATTEMPT_MARKER, SPOOL
from experiments.runner.exits import NO_EXIT, Exit
from experiments.runner.limits import Limit

logger = logging.getLogger(__name__)

KILL_PATIENCE = 5.0
FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.05


class Tree:
    """One training process with its descendants. Use from the main thread only.

    The runner adopts orphans, so a descendant that left its session or whose parent
    ended is still found below it; the marker in the environment finds the rest.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        work: Path,
        limits: Sequence[Limit] = (),
        group: Cgroup | None = None,
    ) -> None:
        """Start it. Raises OSError or ValueError as subprocess.Popen does."""
        self._adopts = kernel.adopt_orphans()
        self._marker = {name: environment[name] for name in (ATTEMPT_MARKER, SPOOL)}
        self.started_at = time.monotonic()
        # The threads of the runner start later: a fork is only safe without them.
        self._main = subprocess.Popen(
            argv,
            env=environment,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            preexec_fn=_prepare_child(os.getpid(), limits, group),
        )
        self.pid = self._main.pid
        self.ended_at: float | None = None
        self.exit = NO_EXIT
        self.peak_memory = 0
        self._gone = False
        if self._main.stdout is None:
            raise OSError("the training process has no standard output")
        self.output = self._main.stdout.fileno()
        os.set_blocking(self.output, False)

    def reap(self) -> bool:
        """Collect processes that have ended; True once the main one has."""
        self._collect()
        return self.ended_at is not None

    def _collect(self) -> bool:
        """Whether no child is left: none that orphans could descend from, either."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self.pid:
                self._note_end(os.waitstatus_to_exitcode(status))

    def _note_end(self, returned: int) -> None:
        self._main.returncode = returned
        self.exit = Exit.from_return_code(returned)
        self.ended_at = time.monotonic()

    def elapsed(self) -> float:
        """Seconds from the start to the main process's end, or until now."""
        return (self.ended_at or time.monotonic()) - self.started_at

    def ask_to_end(self) -> None:
        """SIGTERM to the process group; a suspended one is woken to receive it."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            self._signal_group(number)

    def kill(self) -> list[int]:
        """SIGKILL everything and wait until it is gone.

        Returns the processes that are still there after a few seconds, such as one
        stuck inside a device driver; normally none. Once all are gone, none can come
        again, and nothing is looked for.

        The process table is not read at one moment, so one whose parent ends meanwhile
        may be missed: only when there is no child left, one look is enough.
        """
        if self._gone:
            return []
        deadline = time.monotonic() + KILL_PATIENCE
        pause = FIRST_PAUSE
        looks = 0
        self._signal_group(signal.SIGKILL)
        while True:
            childless = self._collect() and self._adopts
            alive = self.survivors()
            looks = 0 if alive else looks + 1
            if looks == 2 or (looks and childless):
                self._gone = self.ended_at is not None
                return []
            if alive and time.monotonic() > deadline:
                return alive
            for pid in alive:
                processes.send_signal(pid, signal.SIGKILL)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def survivors(self) -> list[int]:
        """Living processes of this attempt: descendants and carriers of its marker."""
        found = dict.fromkeys(processes.descendants(os.getpid()))
        return list(found | dict.fromkeys(self._marked()))

    def members(self) -> list[int]:
        """Living descendants; faster than `survivors`, which also finds the marked."""
        return processes.descendants(os.getpid())

    def memory_bytes(self) -> int:
        """Resident memory of the whole tree at this moment; the peak is kept."""
        taken = processes.resident_bytes(self.members())
        self.peak_memory = max(self.peak_memory, taken)
        return taken

    def _marked(self) -> list[int]:
        return processes.marked(ATTEMPT_MARKER, self._carries_marker)

    def _carries_marker(self, environment: Mapping[str, str]) -> bool:
        return self._marker.items() <= environment.items()

    def _signal_group(self, number: signal.Signals) -> None:
        if self.ended_at is not None and kernel.LINUX:
            # The group's number may belong to somebody else by now, and orphans are
            # found without it. Elsewhere it is the only hold on them.
            return
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError) as problem:
            logger.debug("signal %s to group %s: %s", number, self.pid, problem)


def peak_memory_bytes() -> int:
    """Largest resident memory of any child collected so far."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _prepare_child(
    runner: int, limits: Sequence[Limit], group: Cgroup | None
) -> Callable[[], None]:
    def prepare() -> None:
        kernel.die_with_parent(signal.SIGKILL)
        if not kernel.parent_is(runner):
            # The runner died before the line above: nobody would ever stop us.
            os._exit(1)
        kernel.prefer_as_memory_victim()
        if group is not None:
            group.enter()
        for limit in limits:
            limit.apply()

    return prepare
