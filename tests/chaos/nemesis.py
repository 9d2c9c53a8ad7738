"""Whoever kills processes: by a seed, so that the same one can be sent again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from experiments.runner.processes import process_table
from tests.chaos.installation import Installation

# Words of the commands by which the processes of each kind are known.
KINDS: dict[str, tuple[str, ...]] = {
    "web": ("gunicorn",),
    "scheduler": ("scheduler",),
    "worker": ("worker", "--slots"),
    "slot": ("--only-slot",),
    "runner": ("trial-runner",),
}


@dataclass
class Nemesis:
    """Kills with SIGKILL, at random times, processes of random kinds."""

    site: Installation
    seed: int
    kinds: tuple[str, ...] = (*KINDS, "queue")
    killed: list[tuple[float, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def strike(self) -> str:
        """Kill one process; its kind, or "" when none of the chosen kind lives."""
        kind = self.random.choice(self.kinds)
        pids = self._victims(kind)
        if not pids:
            return ""
        pid = self.random.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed.append((time.time(), kind, pid))
        return kind

    def _victims(self, kind: str) -> list[int]:
        if kind == "queue":
            pid = self.site.keeper.kept["queue"].pid
            return [pid] if pid else []
        found = set(self.site.pids(*KINDS[kind]))
        # Between its fork and its program a training is still called like its runner.
        # To kill it there would be the trial's own end.
        forked = {each.pid for each in process_table() if each.parent in found}
        return sorted(found - forked)

    def rage(self, times: int, *, every: float, sweep: int) -> None:
        """So many kills, ``every`` seconds on average, while the sweep runs; each one
        while something trains, or when that takes long."""
        for pause in self._pauses(times, every):
            time.sleep(pause)
            timeout = time.monotonic() + 10
            while not self.site.training() and time.monotonic() < timeout:
                if self.site.state(sweep) != "running":
                    return
                time.sleep(0.1)
            self.strike()

    def _pauses(self, times: int, every: float) -> Iterator[float]:
        for _ in range(times):
            yield self.random.uniform(0.2, 1.8) * every

    def __str__(self) -> str:
        return " ".join(kind for _, kind, _ in self.killed)
