"""Exits in words."""

from __future__ import annotations

import pytest

from experiments.runner.folder import size_in_words
from experiments.runner.stopping import Exit, describe_exit


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
