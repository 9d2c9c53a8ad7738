"""How a training process ended, for people."""

from __future__ import annotations

import signal
from dataclasses import dataclass

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
    """The same without the hint, such as "killed by signal 9"."""
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
