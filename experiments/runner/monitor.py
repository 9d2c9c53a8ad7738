"""Watches a training from outside: what it runs on, once, and what it uses, every few
seconds. The measurements are metrics whose names begin with ``system/``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from experiments.runner import processes, signals
from experiments.runner.delivery import AttemptContext
from experiments.runner.errors import Refused, SiteAway, StaleAttempt
from experiments.runner.gpus import device_facts, device_use
from experiments.runner.process_tree import ProcessTree
from experiments.runner.reproduce import training_facts

logger = logging.getLogger(__name__)

SYSTEM = "system/"
# Between two measurements there is a beat, but never less than this, nor less than
# this many times what a measurement takes.
MIN_SECONDS, MIN_COSTS = 1.0, 100
# From this many on, the pauses grow with the time: a month has about 2,000.
MAX_DENSE = 250
# So many beats to a request.
SEND_BEATS = 4
POINTS_AT_ONCE = 500
MAX_JOIN_SECONDS = 1.0


class Monitor(threading.Thread):
    """A thread of its own: a driver that hangs must not delay heartbeats."""

    def __init__(
        self,
        context: AttemptContext,
        *,
        tree: ProcessTree,
        facts: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        super().__init__(name="monitor", daemon=True)
        # What it runs on, until the site has it.
        self.environment: dict[str, object] | None = None
        self._context = context
        self._tree = tree
        self._known = facts
        self._seconds = max(MIN_SECONDS, context.spec.heartbeat_seconds)
        self._send_at = 0.0
        self._usage = TreeUsage(tree.members, context.spec.gpus)
        self._points: list[dict[str, object]] = []
        self._over = threading.Event()

    def run(self) -> None:
        try:
            self.environment = self._facts()
            cost = 0.0
            while not self._over.wait(self._pause(cost)):
                began = time.thread_time()
                self._measure()
                cost = time.thread_time() - began
                self._send_if_due()
        except StaleAttempt:
            logger.info("the attempt is no longer ours; nothing is measured any more")
        except Exception:
            logger.exception("unexpected error; the training continues unmeasured")

    def finish(self) -> None:
        """Measure nothing more; `send_next` sends what is left."""
        self._over.set()
        self.join(MAX_JOIN_SECONDS)

    def send_next(self) -> bool:
        """Send one batch; False when nothing is left. Raises SiteError."""
        batch = self._points[:POINTS_AT_ONCE]
        if not batch:
            return False
        try:
            self._context.site.send_points(batch)
        except Refused as problem:
            logger.warning("%d measurements were refused: %s", len(batch), problem)
        del self._points[: len(batch)]
        return True

    def _facts(self) -> dict[str, object]:
        tree, root = self._tree, self._context.folder.root
        facts = training_facts(tree.argv, tree.environment, folder=root)
        return {**facts, **device_facts(self._context.spec.gpus), **self._known}

    def _pause(self, cost: float) -> float:
        return max(self._seconds, MIN_COSTS * cost, self._tree.elapsed() / MAX_DENSE)

    def _measure(self) -> None:
        elapsed, now = self._tree.elapsed(), time.time()
        usage = self._usage.measure(elapsed)
        if signals.LINUX and not usage["memory"]:
            return  # Its processes have just ended.
        self._points += (
            {"name": SYSTEM + name, "step": int(elapsed), "value": value, "time": now}
            for name, value in usage.items()
        )

    def _send_if_due(self) -> None:
        now = time.monotonic()
        if now < self._send_at:
            return
        self._send_at = now + SEND_BEATS * self._seconds
        with contextlib.suppress(SiteAway):
            while self.send_next():
                pass


@dataclass(frozen=True)
class Totals:
    """Since its start: seconds of processors, bytes from and to disks."""

    cpu: float = 0.0
    read: int = 0
    written: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.cpu + other.cpu, self.read + other.read, self.written + other.written
        )


class TreeUsage:
    """What a process tree, and the GPUs of its slot, use."""

    def __init__(self, members: Callable[[], list[int]], gpus: Sequence[int]) -> None:
        self._members = members
        self._gpus = gpus
        self._before = Totals(_reaped())
        self._elapsed = 0.0

    def measure(self, elapsed: float) -> dict[str, float]:
        """Means since the last time (memory and GPUs: now), `elapsed` seconds after the
        start. Cores, bytes, and bytes a second."""
        pids = self._members()
        now, before = totals(pids), self._before
        seconds = max(elapsed - self._elapsed, 0.001)
        self._before, self._elapsed = now, elapsed
        # A process that the runner reaps takes its share of the totals along.
        return {
            "cpu": max(0.0, now.cpu - before.cpu) / seconds,
            "memory": _memory(pids),
            "disk_read": max(0, now.read - before.read) / seconds,
            "disk_write": max(0, now.written - before.written) / seconds,
            **device_use(self._gpus),
        }


def totals(pids: Iterable[int]) -> Totals:
    """Of these processes, of their children that have ended, and of ours."""
    return sum((_of_process(pid) for pid in pids), Totals(_reaped()))


def _of_process(pid: int) -> Totals:
    import psutil  # Takes longer to load than many trials run.

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            cpu = sum(times[:4])
            with contextlib.suppress(psutil.AccessDenied, AttributeError):
                disk = process.io_counters()
                return Totals(cpu, disk.read_bytes, disk.write_bytes)
            return Totals(cpu)
    except psutil.Error:
        return Totals()


def _reaped() -> float:
    """Seconds of processors of the runner's children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _memory(pids: Sequence[int]) -> int:
    """Processes share pages, which count once; a single one is quicker to ask."""
    if len(pids) == 1:
        return processes.resident_bytes(pids)
    return processes.proportional_bytes(pids)
