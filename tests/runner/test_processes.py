"""The process table, read from /proc and by psutil."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import processes


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A shell with the odd name "a) S 1 (b" in the table, and its sleeping child."""
    command = "printf 'a) S 1 (' > /proc/$$/comm; sleep 600 & echo $!; wait"
    with subprocess.Popen(
        ["sh", "-c", command],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "MARK": "family-77"},
    ) as shell:
        yield shell
        for pid in (*processes.descendants(shell.pid), shell.pid):
            # A child that a test has killed may be gone between the list and here.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def child_of(shell: subprocess.Popen[str]) -> int:
    assert shell.stdout is not None
    return int(shell.stdout.readline())


def test_descendants_are_found_whatever_they_are_called(
    family: subprocess.Popen[str],
) -> None:
    child = child_of(family)
    assert processes.descendants(family.pid) == [child]
    assert {family.pid, child} <= {*processes.descendants(os.getpid())}


def test_psutil_finds_the_same_where_there_is_no_proc(
    family: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = child_of(family)
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert processes.descendants(family.pid) == [child]
    assert processes.marked("PATH", lambda environment: True) == []


def test_a_marker_is_found_in_the_environment(
    family: subprocess.Popen[str], wait_until: Any
) -> None:
    both = sorted([family.pid, child_of(family)])

    def found() -> list[int]:
        return sorted(processes.marked("MARK", lambda its: its["MARK"] == "family-77"))

    # While the child turns from the shell into its program it has no environment.
    wait_until(lambda: found() == both)
    assert processes.marked("MARK", lambda its: its["MARK"] == "family-7") == []


def is_zombie(pid: int) -> bool:
    table = processes.process_table()
    return any(process.pid == pid and process.zombie for process in table)


def test_a_zombie_is_not_alive(wait_until: Any) -> None:
    with subprocess.Popen(["true"]) as process:
        wait_until(lambda: is_zombie(process.pid))
        assert process.pid not in processes.descendants(os.getpid())


def test_a_process_is_spared_when_it_is_not_the_one_meant(
    family: subprocess.Popen[str],
) -> None:
    assert not processes.kill_if(family.pid, lambda: False)
    assert family.poll() is None
    assert processes.kill_if(child_of(family), lambda: True)


def test_a_process_that_is_gone_is_no_error() -> None:
    with subprocess.Popen(["true"]) as process:
        pid = process.pid
    assert not processes.kill_if(pid, lambda: True)
    assert processes.environment_of(pid) == {}
    assert processes.resident_bytes([pid]) == 0


def test_memory_is_counted_in_bytes() -> None:
    assert processes.resident_bytes([os.getpid()]) > 5_000_000
