"""The memory of a training tree: its peak, its limit, and deaths for want of it."""

from __future__ import annotations

import math
import re
import signal
from pathlib import Path

from experiments.runner import processes
from experiments.runner.cgroup import Cgroup
from experiments.runner.exits import SHELL_SIGNAL_BASE, Exit
from experiments.runner.sizes import size_in_words
from experiments.runner.tree import Tree, peak_memory_bytes

OUT_OF_MEMORY = "out_of_memory"
LOOK = 0.5
COUNTERS = Path("/proc/vmstat")
# How Python, numpy, PyTorch, CuPy, JAX and native code say that they get no more.
PYTHON, GPU = "Python got no more memory", "the GPU has no memory left"
NATIVE = "native code got no more memory"
SAYINGS = (
    (rb"^(object type name: )?[\w.]*MemoryError\b", PYTHON),
    (rb"^[\w.]*OutOfMemoryError\b", GPU),
    (rb"^RuntimeError: CUDA out of memory", GPU),
    (rb"RESOURCE_EXHAUSTED: Out of memory", GPU),
    (rb"DefaultCPUAllocator: can't allocate", NATIVE),
    (rb"std::bad_alloc", NATIVE),
)


class Memory:
    """What a tree takes, looked at twice a second where it has a limit (in bytes)."""

    def __init__(
        self, tree: Tree, *, limit: int | None, group: Cgroup | None = None
    ) -> None:
        self._tree = tree
        self._group = group
        self._limit = limit
        self._look_at = tree.started_at
        self._kills = kernel_kills()

    @property
    def peak(self) -> int:
        """The most that was seen, in bytes."""
        return max(self._tree.peak_memory, peak_memory_bytes())

    def next_time(self) -> float:
        """When to look again, by the monotonic clock; infinity without a limit."""
        return math.inf if self._limit is None else self._look_at

    def excess(self, now: float) -> str:
        """A sentence once the tree takes more than its limit; "" until then."""
        if self._limit is None or now < self._look_at:
            return ""
        self._look_at = now + LOOK
        pids = self._tree.members()
        taken = self._tree.memory_bytes()
        if taken > self._limit:
            # Pages that processes share were counted once for each of them.
            taken = processes.proportional_bytes(pids)
        if taken <= self._limit:
            return ""
        return (
            f"needed more than {size_in_words(self._limit)} of memory: "
            f"peak {size_in_words(taken)}"
        )

    def death(self, end: Exit) -> tuple[str, str]:
        """Code and sentence of an end that nobody here has caused."""
        killed = self._group is not None and self._group.kills() > 0 and end.code != 0
        if killed and self._limit and self._group and self._group.is_full():
            # Nothing could be freed, so that all that was counted was needed.
            most = size_in_words(max(self.peak, self._group.peak()))
            return OUT_OF_MEMORY, (
                f"needed more than {size_in_words(self._limit)} of memory: peak {most}"
            )
        if not killed and not _is_sigkill(end):
            return "", str(end)
        peak = f"its peak was {size_in_words(self.peak)}"
        if killed or kernel_kills() > self._kills:
            return OUT_OF_MEMORY, (
                f"{end}: the system ran out of memory and ended it; {peak}"
            )
        return "", f"{end}; {peak}"


def named_by(last_lines: bytes, end: Exit) -> str:
    """A sentence when a failed process's last lines say that it had no memory."""
    if end.code in (0, None) and end.signal != signal.SIGABRT:
        return ""
    for pattern, sentence in SAYINGS:
        if re.search(pattern, last_lines, re.MULTILINE):
            return sentence
    return ""


def kernel_kills() -> int:
    """How many processes the kernel has ended for want of memory since the start; 0
    where it does not say. Those of limited groups (containers) are among them."""
    try:
        fields = COUNTERS.read_text().split()
        return int(fields[fields.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return 0


def _is_sigkill(end: Exit) -> bool:
    inner = SHELL_SIGNAL_BASE + signal.SIGKILL
    return end.signal == signal.SIGKILL or end.code == inner
