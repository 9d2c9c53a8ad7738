"""How a training process is stopped: which signal when, how its script responds, and
how it ended, in words."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass
from enum import Enum

from experiments.runner.folder import AttemptFolder

MAX_REASON_LENGTH = 1_000

SHELL_SIGNAL_BASE = 128
HINTS = {
    signal.SIGKILL: "possibly out of memory",
    signal.SIGSEGV: "a crash inside native code",
    signal.SIGBUS: "a crash inside native code, or shared memory ran out",
    signal.SIGABRT: "the process gave up, often in native code",
    signal.SIGFPE: "a forbidden calculation in native code",
    signal.SIGILL: "an instruction this processor lacks",
    signal.SIGXCPU: "the processor time limit was reached",
}
CODES = {
    126: "exit code 126: the shell found the command but could not execute it",
    127: "exit code 127: command not found by the shell",
}
CODE_HINTS = {2: "often a wrong argument or a missing script"}


class StopSignal(Enum):
    """The signal to send now."""

    ASK = "SIGTERM to its process group"
    KILL = "SIGKILL to its whole tree"


class StopSchedule:
    """From a stop request to SIGTERM, the grace and SIGKILL.

    Pure: times are arguments, in seconds of a monotonic clock. The first cause counts;
    later requests can only bring the signals forward.
    """

    def __init__(self) -> None:
        self.cause: str | None = None
        self.message = ""
        self._ask_at = math.inf
        self._kill_at = math.inf
        self._asked = False
        self._killed = False

    def begin(
        self, cause: str, message: str, *, now: float, grace: float, leave: float = 0.0
    ) -> None:
        """Stop for `cause`: SIGTERM after `leave` seconds, SIGKILL `grace` later.

        `leave` is for a script that can stop by itself.
        """
        if self.cause is None:
            self.cause, self.message = cause, message
        self._ask_at = min(self._ask_at, now + leave)
        self._kill_at = min(self._kill_at, now + leave + grace)

    def put_off(self, *, before_end: float) -> None:
        """Send SIGTERM at the earliest `before_end` seconds before SIGKILL."""
        self._ask_at = max(self._ask_at, self._kill_at - before_end)

    def ask_now(self, *, now: float, grace: float) -> None:
        """Send SIGTERM now."""
        self._ask_at = min(self._ask_at, now)
        self._kill_at = min(self._kill_at, now + grace)

    @property
    def asked(self) -> bool:
        """Whether SIGTERM was sent."""
        return self._asked

    def step(self, now: float) -> StopSignal | None:
        """The signal that is due, each at most once."""
        if now >= self._kill_at and not self._killed:
            self._asked = self._killed = True
            return StopSignal.KILL
        if now >= self._ask_at and not self._asked:
            self._asked = True
            return StopSignal.ASK
        return None

    def next_time(self) -> float:
        """When the next signal is due; infinity for never."""
        if self._killed:
            return math.inf
        return self._kill_at if self._asked else min(self._ask_at, self._kill_at)


class ScriptResponse:
    """How a script responds to a stop request: what its client writes beside the
    spool."""

    def __init__(self, folder: AttemptFolder) -> None:
        self._folder = folder
        self._has_seen = False
        self._clock_ahead = _clock_ahead()

    @property
    def uses_client(self) -> bool:
        """Whether the script has used the client so far."""
        return self._folder.client.exists()

    def is_stopping(self) -> bool | None:
        """True: it knows and is stopping; False: it knows and continues anyway; None:
        it does not know yet."""
        try:
            text = self._folder.stop_seen.read_text(errors="replace")
        except OSError:
            return False if self._has_seen else None
        self._has_seen = True
        # The file is empty for a moment while it is written.
        return not text or bool(text.strip())

    def left(self, grace: float) -> float:
        """What is left of its grace, which began when it saw the request."""
        try:
            age = time.time() - self._folder.stop_seen.stat().st_mtime
        except OSError:
            return 0.0
        # If the clock was set during the attempt, that was before or after this moment.
        before = age - (_clock_ahead() - self._clock_ahead)
        age = min((each for each in (age, before) if each >= 0), default=0.0)
        return max(0.0, grace - age)

    def reason(self) -> str:
        """Why it stops by itself; "" if it was not asked, or continues anyway."""
        if not self.is_stopping():
            return ""
        try:
            text = self._folder.stop_seen.read_text(errors="replace")
        except OSError:
            return ""
        return text.strip()[:MAX_REASON_LENGTH]


def _clock_ahead() -> float:
    """How many seconds the clock is ahead of the monotonic one."""
    return time.time() - time.monotonic()


@dataclass(frozen=True)
class Exit:
    """Either an exit code or the number of the signal that ended the process."""

    code: int | None
    signal: int | None

    @classmethod
    def from_return_code(cls, returned: int) -> Exit:
        """From a subprocess return code, where a signal is negative."""
        return cls(None, -returned) if returned < 0 else cls(returned, None)

    def __str__(self) -> str:
        return describe_exit(self.code, self.signal)


NO_EXIT = Exit(None, None)


def describe_exit(exit_code: int | None, signal: int | None) -> str:
    """An exit in words, such as "killed by signal 9 (possibly out of memory)"."""
    words, hint = exit_in_short(exit_code, signal), _hint(exit_code, signal)
    return f"{words} ({hint})" if hint else words


def exit_in_short(exit_code: int | None, signal: int | None) -> str:
    """The exit without its hint, such as "killed by signal 9"."""
    if signal is not None:
        return f"killed by signal {signal}"
    if exit_code is None:
        return "did not start"
    child = exit_code - SHELL_SIGNAL_BASE
    if _is_signal(child):
        return f"exit code {exit_code}: a child process was killed by signal {child}"
    return CODES.get(exit_code, f"exit code {exit_code}")


def _hint(exit_code: int | None, number: int | None) -> str:
    if number is None and exit_code in CODE_HINTS:
        return CODE_HINTS[exit_code]
    if number is None:
        number = (exit_code or 0) - SHELL_SIGNAL_BASE
    if not _is_signal(number):
        return ""
    name = signal.Signals(number)
    return HINTS.get(name, name.name)


def _is_signal(number: int) -> bool:
    return number in {member.value for member in signal.Signals}
