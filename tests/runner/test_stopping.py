"""Which signal is due when, and exits in words."""

from __future__ import annotations

import math

import pytest

from experiments.runner.folder import size_in_words
from experiments.runner.stopping import Exit, StopSchedule, StopSignal, describe_exit


def test_nothing_is_due_before_a_wish() -> None:
    stopping = StopSchedule()
    assert stopping.step(1e9) is None
    assert stopping.next_time() == math.inf
    assert stopping.cause is None


def test_sigterm_comes_at_once_and_sigkill_after_the_grace() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "why", now=100, grace=10)
    assert stopping.step(100) is StopSignal.ASK
    assert stopping.step(109.9) is None
    assert stopping.next_time() == 110
    assert stopping.step(110) is StopSignal.KILL
    assert stopping.step(200) is None
    assert stopping.next_time() == math.inf


def test_a_script_on_its_way_out_gets_sigterm_later() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "why", now=100, grace=3, leave=8)
    assert stopping.step(107) is None
    assert stopping.next_time() == 108
    assert stopping.step(108) is StopSignal.ASK
    assert stopping.step(111) is StopSignal.KILL


def test_a_later_wish_shortens_the_way_but_keeps_the_cause() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "by policy", now=100, grace=60, leave=10)
    stopping.begin("released", "shutdown", now=101, grace=5)
    assert stopping.step(101) is StopSignal.ASK
    assert stopping.next_time() == 106
    assert (stopping.cause, stopping.message) == ("stopped", "by policy")


def test_a_later_wish_never_lengthens_the_way() -> None:
    stopping = StopSchedule()
    stopping.begin("released", "shutdown", now=100, grace=1)
    stopping.begin("stopped", "by policy", now=100, grace=60)
    assert stopping.step(100) is StopSignal.ASK
    assert stopping.step(101) is StopSignal.KILL


def test_no_grace_means_sigkill_without_sigterm() -> None:
    stopping = StopSchedule()
    stopping.begin("stale", "taken over", now=100, grace=0)
    assert stopping.step(100) is StopSignal.KILL
    assert stopping.asked


def test_a_script_that_does_not_leave_loses_its_time() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "why", now=100, grace=3, leave=10)
    stopping.ask_now(now=102, grace=5)
    assert stopping.step(102) is StopSignal.ASK
    assert stopping.next_time() == 107


@pytest.mark.parametrize(
    ("code", "signal", "words"),
    [
        (0, None, "exit code 0"),
        (1, None, "exit code 1"),
        (127, None, "exit code 127: command not found by the shell"),
        (
            137,
            None,
            "exit code 137: a child process was killed by signal 9 "
            "(possibly out of memory)",
        ),
        (255, None, "exit code 255"),
        (None, 9, "killed by signal 9 (possibly out of memory)"),
        (None, 11, "killed by signal 11 (a crash inside native code)"),
        (None, 15, "killed by signal 15 (SIGTERM)"),
        (None, 63, "killed by signal 63"),
        (None, None, "did not start"),
    ],
)
def test_an_exit_is_described(code: int | None, signal: int | None, words: str) -> None:
    assert describe_exit(code, signal) == words


def test_a_negative_return_code_is_a_signal() -> None:
    assert Exit.from_return_code(-9) == Exit(None, 9)
    assert Exit.from_return_code(3) == Exit(3, None)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (64_000, "64 kB"),
        (3_210_000, "3.2 MB"),
        (5_000_000_000, "5 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes_are_written_as_people_write_them(count: int, words: str) -> None:
    assert size_in_words(count) == words
