"""The training process and everything that it starts: start, signals, memory, end."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from experiments.runner import processes, signals, walls
from experiments.runner.environment import ATTEMPT_MARKER, SPOOL
from experiments.runner.folder import size_in_words
from experiments.runner.landlock import Ruleset
from experiments.runner.limits import Cgroup, ResourceLimit
from experiments.runner.outcome import AttemptOutcome, out_of_memory
from experiments.runner.stopping import NO_EXIT, SHELL_SIGNAL_BASE, Exit
from experiments.runner.walls import Walls

logger = logging.getLogger(__name__)

MAX_KILL_SECONDS = 5.0
FIRST_PAUSE = 0.002
MAX_PAUSE = 0.05

CHECK_SECONDS = 0.5
COUNTERS = Path("/proc/vmstat")
# What Python, numpy, PyTorch, CuPy, JAX and native code print without memory.
PYTHON, GPU = "Python got no more memory", "the GPU has no memory left"
NATIVE = "native code got no more memory"
MEMORY_ERRORS = (
    (rb"^(object type name: )?[\w.]*MemoryError\b", PYTHON),
    (rb"^[\w.]*OutOfMemoryError\b", GPU),
    (rb"^RuntimeError: CUDA out of memory", GPU),
    (rb"RESOURCE_EXHAUSTED: Out of memory", GPU),
    (rb"DefaultCPUAllocator: can't allocate", NATIVE),
    (rb"std::bad_alloc", NATIVE),
)


class ProcessTree:
    """One training process with its descendants. Use it from the main thread only.

    The runner adopts orphans, so descendants that left their session or lost their
    parent are still found; a marker in the environment finds the rest.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        work: Path,
        limits: Sequence[ResourceLimit] = (),
        group: Cgroup | None = None,
        confined: Walls | None = None,
        splits_output: bool = False,
    ) -> None:
        """Start it. Raises OSError or ValueError as subprocess.Popen does.

        ``splits_output``: standard error has a pipe of its own, `errors`.
        """
        self.argv, self.environment = argv, environment
        self._adopts = signals.adopt_orphans()
        self._marker = {name: environment[name] for name in (ATTEMPT_MARKER, SPOOL)}
        self.started_at = time.monotonic()
        with confined.rules() if confined else contextlib.nullcontext() as rules:
            # The runner's threads start later: a fork is only safe without them.
            self._main = subprocess.Popen(
                argv,
                env=environment,
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if splits_output else subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
                preexec_fn=_prepare_child(os.getpid(), limits, group, rules),
            )
        self.pid = self._main.pid
        self.ended_at: float | None = None
        self.exit = NO_EXIT
        self.peak_memory = 0
        self._gone = False
        if self._main.stdout is None:
            raise OSError("the training process has no standard output")
        self.output = self._main.stdout.fileno()
        self.errors = self._main.stderr.fileno() if self._main.stderr else None
        os.set_blocking(self.output, False)
        if self.errors is not None:
            os.set_blocking(self.errors, False)

    def reap(self) -> bool:
        """Collect processes that have ended; True once the main one has."""
        self._collect()
        return self.ended_at is not None

    def _collect(self) -> bool:
        """Reap all that have ended; returns whether no child is left."""
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
        """SIGTERM to the process group; SIGCONT wakes a suspended one to receive it."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            self._signal_group(number)

    def kill(self) -> list[int]:
        """SIGKILL everything and wait until it is gone.

        Returns the processes that are still there after a few seconds, such as one
        stuck inside a device driver; normally none. Later calls then do nothing.

        The process table is not read all at once, so a process whose parent ends
        meanwhile may be missed. While a child is left, two empty looks are needed.
        """
        if self._gone:
            return []
        deadline = time.monotonic() + MAX_KILL_SECONDS
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
            pause = min(2 * pause, MAX_PAUSE)

    def survivors(self) -> list[int]:
        """Living processes of this attempt: descendants and carriers of its marker."""
        found = dict.fromkeys(processes.descendants(os.getpid()))
        return list(found | dict.fromkeys(self._marked()))

    def members(self) -> list[int]:
        """Living descendants; faster than `survivors`, which also finds the marked."""
        return processes.descendants(os.getpid())

    def memory_bytes(self) -> int:
        """Resident memory of the whole tree now; also updates the peak."""
        taken = processes.resident_bytes(self.members())
        self.peak_memory = max(self.peak_memory, taken)
        return taken

    def _marked(self) -> list[int]:
        return processes.marked(ATTEMPT_MARKER, self._carries_marker)

    def _carries_marker(self, environment: Mapping[str, str]) -> bool:
        return self._marker.items() <= environment.items()

    def _signal_group(self, number: signal.Signals) -> None:
        if self.ended_at is not None and signals.LINUX:
            # Another group may have the number by now, and orphans are found without
            # it. On other systems it is the only way to find them.
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
    runner: int,
    limits: Sequence[ResourceLimit],
    group: Cgroup | None,
    rules: Ruleset | None,
) -> Callable[[], None]:
    def prepare() -> None:
        signals.die_with_parent(signal.SIGKILL)
        if not signals.parent_is(runner):
            # The runner died before the line above: nothing would ever stop us.
            os._exit(1)
        signals.prefer_as_memory_victim()
        if group is not None:
            group.enter()
        for limit in limits:
            limit.apply()
        if rules is None:
            signals.gain_no_rights()
        else:
            walls.enter(rules)

    return prepare


class MemoryWatch:
    """Watches the memory of a tree: twice a second if it has a limit (in bytes)."""

    def __init__(
        self, tree: ProcessTree, *, limit: int | None, group: Cgroup | None = None
    ) -> None:
        self._tree = tree
        self._group = group
        self._limit = limit
        self._check_at = tree.started_at
        self._kills = kernel_kills()

    @property
    def peak(self) -> int:
        """The highest value seen, in bytes."""
        return max(self._tree.peak_memory, peak_memory_bytes())

    def next_time(self) -> float:
        """When to check again, by the monotonic clock; infinity without a limit."""
        return math.inf if self._limit is None else self._check_at

    def excess(self, now: float) -> str:
        """Why the tree must end, once it takes more than its limit; "" until then."""
        if self._limit is None or now < self._check_at:
            return ""
        self._check_at = now + CHECK_SECONDS
        pids = self._tree.members()
        taken = self._tree.memory_bytes()
        if taken > self._limit:
            # Pages that processes share were counted once for each of them.
            taken = processes.proportional_bytes(pids)
        return _needed_more(self._limit, taken) if taken > self._limit else ""

    def death(self, end: Exit) -> AttemptOutcome:
        """The outcome of an end that the runner has not caused."""
        group = self._group if end.code != 0 else None
        killed = group is not None and group.kills() > 0
        if killed and self._limit and group and group.is_full():
            # The kernel could free nothing, so everything counted was needed.
            message = _needed_more(self._limit, max(self.peak, group.peak()))
            return out_of_memory(message, over_limit=True)
        if not killed and not _is_sigkill(end):
            return AttemptOutcome(cause="exited", message=str(end))
        peak = f"its peak was {size_in_words(self.peak)}"
        if killed or kernel_kills() > self._kills:
            return out_of_memory(
                f"{end}: the system ran out of memory and ended it; {peak}"
            )
        return AttemptOutcome(cause="exited", message=f"{end}; {peak}")


def _needed_more(limit: int, peak: int) -> str:
    return (
        f"needed more than {size_in_words(limit)} of memory: peak {size_in_words(peak)}"
    )


def named_by(last_lines: bytes, end: Exit) -> str:
    """What a failed process's last lines say about missing memory; "" for nothing."""
    if end.code in (0, None) and end.signal != signal.SIGABRT:
        return ""
    for pattern, sentence in MEMORY_ERRORS:
        if re.search(pattern, last_lines, re.MULTILINE):
            return sentence
    return ""


def kernel_kills() -> int:
    """How many processes the kernel has ended since its start because memory ran out,
    those of limited groups (containers) included; 0 if the kernel does not say."""
    try:
        fields = COUNTERS.read_text().split()
        return int(fields[fields.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return 0


def _is_sigkill(end: Exit) -> bool:
    inner = SHELL_SIGNAL_BASE + signal.SIGKILL
    return end.signal == signal.SIGKILL or end.code == inner
