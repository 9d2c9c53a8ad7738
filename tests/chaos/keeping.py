"""Processes that are started again whenever they end, as systemd would do it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.runner.signals import die_with_parent

TICK, RESTART_AFTER = 0.05, 0.3


@dataclass
class Kept:
    """One process. ``held``: it is not started (again) for now."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    held: bool = False
    starts: int = field(default=0, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    next_start: float = field(default=0.0, init=False)

    @property
    def pid(self) -> int | None:
        living = self.process is not None and self.process.poll() is None
        return self.process.pid if living and self.process else None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.argv,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL),
            )
        self.starts += 1


class Keeper:
    """One thread starts everything: who starts a process must outlive it."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def keep(self, kept: Kept) -> Kept:
        self.kept[kept.name] = kept
        return kept

    def _run(self) -> None:
        while not self._over.is_set():
            now = time.monotonic()
            for kept in list(self.kept.values()):
                if kept.pid is not None or kept.held:
                    continue
                if kept.process is not None:
                    kept.process = None
                    kept.next_start = now + RESTART_AFTER
                elif now >= kept.next_start:
                    kept.start()
            self._over.wait(TICK)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        if (pid := self.kept[name].pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def hold(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End it and leave it ended, until ``release``."""
        self.kept[name].held = True
        self.kill(name, number)
        process = self.kept[name].process
        if process is not None:
            process.wait(30)

    def release(self, name: str) -> None:
        self.kept[name].held = False

    def end(self, names: Sequence[str], *, timeout: float) -> None:
        """SIGTERM to all of these, then SIGKILL to what is left."""
        for name in names:
            self.kept[name].held = True
            self.kill(name, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        for name in names:
            while self.kept[name].pid is not None and time.monotonic() < deadline:
                time.sleep(TICK)
            self.kill(name)

    def close(self) -> None:
        self.end(list(self.kept), timeout=1.0)
        self._over.set()
        self._thread.join(5)
