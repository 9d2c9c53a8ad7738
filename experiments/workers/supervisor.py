"""Keeps child processes running: starts, restarts with back-off, ends them in order.

Children have their own sessions, so that Ctrl-C in the terminal reaches only the
supervisor; they get SIGTERM when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from experiments.runner.signals import die_with_parent
from experiments.workers.secrets import sealed

FIRST_DELAY, MAX_DELAY = 0.2, 30.0
STEADY_AFTER = 10.0
CHECK_SECONDS = 0.1
# A child is asked this often within the longest silence that it may have.
QUESTIONS = 4
MAX_LOG = 10 << 20
# Seconds for a whole stop, and for one child when they are used up.
MAX_STOP_SECONDS, MIN_STOP_SECONDS = 13.0, 0.5


@dataclass
class Child:
    """One process to keep alive.

    ``stop_seconds``: the longest time from SIGTERM to SIGKILL. ``ends``: children with
    a lower number end first, those with the same one at the same time. ``prepare``:
    called before each start. ``answers``: whether it works; after ``max_silence``
    seconds without a yes it is restarted. ``umask``: -1 means the supervisor's.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    stop_seconds: float = 3.0
    ends: int = 0
    log: Path | None = None
    prepare: Callable[[], None] | None = None
    answers: Callable[[], bool] | None = None
    max_silence: float = 6.0
    umask: int = -1
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    next_start: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)
    answered_at: float = field(default=0.0, init=False)
    next_question: float = field(default=0.0, init=False)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Raises OSError, such as for want of memory."""
        if self.prepare is not None:
            self.prepare()
        supervisor = os.getpid()
        with self._output() as output, sealed(self.environment) as given:
            self.process = subprocess.Popen(
                self.argv,
                **given,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                umask=self.umask,
                preexec_fn=lambda: end_with(supervisor),
            )
        self.started_at = self.answered_at = time.monotonic()

    def is_silent(self) -> bool:
        """Whether it has not answered for too long; asks it when that is due."""
        now = time.monotonic()
        if self.answers is None or now < self.next_question:
            return False
        self.next_question = now + self.max_silence / QUESTIONS
        if self.answers():
            self.answered_at = now
        return now - self.answered_at > self.max_silence

    @contextlib.contextmanager
    def _output(self) -> Iterator[IO[bytes] | None]:
        """The child's log; None: our own output."""
        if self.log is None:
            yield None
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as file:
            yield file

    def rotate_log(self) -> None:
        """Set a large log aside. The child keeps its open file, which it appends to, so
        the file is emptied and stays."""
        with contextlib.suppress(OSError):
            if self.log is not None and self.log.stat().st_size > MAX_LOG:
                # On a full disk the old lines are lost.
                with contextlib.suppress(OSError):
                    shutil.copyfile(self.log, self.log.with_suffix(".log.old"))
                os.truncate(self.log, 0)

    def note_end(self) -> None:
        """Set the next start: soon after a long run, later after each short one."""
        now = time.monotonic()
        steady = now - self.started_at > STEADY_AFTER
        self.failures = 0 if steady else self.failures + 1
        delay = min(MAX_DELAY, FIRST_DELAY * 2 ** max(0, self.failures - 1))
        self.next_start = now + (FIRST_DELAY if steady else delay)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.alive:
            self.process.send_signal(number)

    def last_lines(self, count: int = 8) -> str:
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


def end_with(supervisor: int) -> None:
    """End this new process when the supervisor ends, even if it already has."""
    die_with_parent(signal.SIGTERM)
    if os.getppid() != supervisor:
        os._exit(1)


class Supervisor:
    """Children in the order in which they start; they end in the order of ``ends``."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self.children: list[Child] = []
        self.stopping = False
        self.hurry = False
        self._say = say

    def install_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self.hurry = self.stopping
        self.stopping = True

    def add(self, child: Child) -> Child:
        """Start it and keep it running. Raises OSError if it does not start at all."""
        self.children.append(child)
        child.start()
        return child

    def run(self, *, every: float = 0.0, do: Callable[[], None] | None = None) -> None:
        """Watch the children until a signal; call ``do`` about ``every`` seconds."""
        due = time.monotonic() + every
        while not self.stopping:
            self.revive()
            if do is not None and time.monotonic() >= due:
                do()
                due = time.monotonic() + every
            time.sleep(CHECK_SECONDS)

    def revive(self) -> None:
        """Restart children that have ended or do not answer, after their delay."""
        for child in self.children:
            child.rotate_log()
            if child.alive:
                if child.is_silent():
                    self._end_silent(child)
                continue
            if child.process is not None:
                self._report_end(child)
                child.note_end()
                child.process = None
            if time.monotonic() >= child.next_start and not self.stopping:
                self._restart(child)

    def _restart(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            child.started_at = time.monotonic()
            child.note_end()
            self._say(f"{child.name} cannot start: {error}")

    def _end_silent(self, child: Child) -> None:
        self._say(f"{child.name} has not answered for {child.max_silence:g} s.")
        self._end([child], limit=time.monotonic() + child.stop_seconds)

    def _report_end(self, child: Child) -> None:
        code = child.process.returncode if child.process else None
        self._say(f"{child.name} ended (code {code}); starting it again.")
        if child.failures >= 2 and (lines := child.last_lines()):
            self._say(lines)

    def stop(self, *, within: float = MAX_STOP_SECONDS) -> None:
        """End all children in about ``within`` seconds, even if their own times sum to
        more: after that, systemd or a container kills this process."""
        self.stopping = True
        limit = time.monotonic() + within
        for turn in sorted({child.ends for child in self.children}):
            self._end([c for c in self.children if c.ends == turn], limit=limit)

    def _end(self, children: Sequence[Child], *, limit: float) -> None:
        """SIGTERM, a wait, SIGKILL; a second Ctrl-C ends the wait."""
        for child in children:
            child.send(signal.SIGTERM)
        began = time.monotonic()
        left = max(limit - began, MIN_STOP_SECONDS)
        for child in children:
            deadline = began + min(child.stop_seconds, left)
            while child.alive and time.monotonic() < deadline and not self.hurry:
                time.sleep(CHECK_SECONDS / 4)
        for child in children:
            if child.process is not None:
                if child.alive:
                    # With its own processes, such as those of a web server that hangs.
                    os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
