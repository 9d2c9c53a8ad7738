"""Runs the programs that prepare a trial, such as git and pip."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError

from experiments.runner.heartbeat import PreparationHeartbeat
from experiments.runner.limits import ResourceLimit
from experiments.runner.logs import OutputLog, pump
from experiments.runner.process_tree import ProcessTree
from experiments.runner.signals import Signals
from experiments.runner.walls import Walls

MAX_KEPT = 4 << 20
LAST_LINES = 20
MAX_LINE_LENGTH = 64 << 10


class ProgramError(Exception):
    """A program could not be started, or ran too long."""


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended: its exit status, and the beginning and the last lines of
    what it printed."""

    status: int
    output: bytes
    last: tuple[str, ...]

    @property
    def went_well(self) -> bool:
        return self.status == 0

    @property
    def was_cut(self) -> bool:
        """Whether it printed more than `output` holds."""
        return len(self.output) >= MAX_KEPT

    def lines(self) -> list[str]:
        return self.output.decode("utf-8", "replace").splitlines()


@dataclass(frozen=True, kw_only=True)
class Subprocesses:
    """Runs one program after another for an attempt.

    `markers` are the variables that find a dead runner's processes, to end them.
    """

    heartbeat: PreparationHeartbeat
    log: OutputLog
    signals: Signals
    markers: Mapping[str, str]

    def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        seconds: float,
        log_prefix: str = "",
        limits: Sequence[ResourceLimit] = (),
        confined: Walls | None = None,
    ) -> ProgramResult:
        """Run a program to its end; nothing that it started outlives this call.

        With `log_prefix` its lines go to the trial's log, after that word. Raises
        ProgramError if it cannot be started or takes longer than `seconds`, and what
        PreparationHeartbeat.show raises.
        """
        given = {**environment, **self.markers}
        try:
            tree = ProcessTree(
                argv, environment=given, work=folder, limits=limits, confined=confined
            )
        except (OSError, ValueError, SubprocessError) as problem:
            raise ProgramError(
                f"{argv[0]} could not be started: {problem}"
            ) from problem
        kept = CapturedOutput(self.log if log_prefix else None, f"{log_prefix} | ")
        try:
            self._watch(tree, kept, seconds, name=Path(argv[0]).name)
        finally:
            tree.kill()
            pump(tree.output, kept.take)
            kept.close()
        end = tree.exit
        status = end.code if end.code is not None else -(end.signal or 1)
        return ProgramResult(status, bytes(kept.beginning), tuple(kept.last_lines()))

    def _watch(
        self, tree: ProcessTree, kept: CapturedOutput, seconds: float, *, name: str
    ) -> None:
        give_up_at = time.monotonic() + seconds
        with self.signals.watching(tree.output):
            while not tree.reap():
                self.heartbeat.show()
                if time.monotonic() > give_up_at:
                    raise ProgramError(f"{name} took longer than {seconds:g} s")
                if self.heartbeat.wait(tree.output) and not pump(
                    tree.output, kept.take
                ):
                    self.signals.forget(tree.output)


class CapturedOutput:
    """The beginning and the last lines of what a program prints; each line also goes to
    the log, if there is one."""

    def __init__(self, log: OutputLog | None, prefix: str) -> None:
        self.beginning = bytearray()
        self._log = log
        self._prefix = prefix.encode()
        self._rest = b""
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)

    def close(self) -> None:
        """End the last line, which may have no line break."""
        if self._rest:
            self._end_line(self._rest)
        self._rest = b""

    def last_lines(self) -> list[str]:
        return [line.decode("utf-8", "replace").strip() for line in self._last]

    def take(self, data: bytes) -> None:
        self.beginning += data[: MAX_KEPT - len(self.beginning)]
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._end_line(line)
        if len(self._rest) > MAX_LINE_LENGTH:
            self.close()

    def _end_line(self, line: bytes) -> None:
        """Keep a line; of a progress bar, which rewrites its line, only the last
        state."""
        line = line.rstrip(b"\r").rpartition(b"\r")[2]
        if not line.strip():
            return
        self._last.append(line)
        if self._log is not None:
            self._log.feed(self._prefix + line + b"\n")
