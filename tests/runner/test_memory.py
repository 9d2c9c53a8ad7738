"""Trials that need more memory than there is: ended, named, and alone in it."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.runner import process_tree
from experiments.runner.stopping import Exit

SHARED = """
import os, time
block = bytearray(60_000_000)
for i in range(0, len(block), 4096): block[i] = 1
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        time.sleep(1.5); os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
"""
HOARD = """
import subprocess, sys, time
code = "x = bytearray(60_000_000)\\nfor i in range(0, len(x), 4096): x[i] = 1\\n"
code += "import time; time.sleep(600)"
children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
time.sleep(600)
"""
LIMIT = {"memory_bytes": 120_000_000}


def test_the_processes_of_a_trial_are_counted_together(runners: Any, site: Any) -> None:
    assert runners.run("python", "-c", HOARD, limits=LIMIT) == 0
    finish = site.finish
    assert (finish["cause"], finish["code"]) == ("exited", "out_of_memory")
    assert finish["over_limit"]
    assert finish["message"].startswith("needed more than 120 MB of memory: peak ")
    assert finish["peak_memory"] > 120_000_000
    assert "needed more than 120 MB" in site.text()
    assert not runners.alive()


def test_memory_that_processes_share_is_counted_once(runners: Any, site: Any) -> None:
    assert runners.run("python", "-c", SHARED, limits=LIMIT) == 0
    assert (site.finish["exit_code"], site.finish["code"]) == (0, "")


def test_a_hoard_that_grows_is_ended(runners: Any, site: Any) -> None:
    assert runners.run("train_eats_memory", limits={"memory_bytes": 300_000_000}) == 0
    assert site.finish["code"] == "out_of_memory"


def test_python_s_own_word_is_understood(runners: Any, site: Any) -> None:
    worker = {"SWEEPSITE_LIMIT_MEMORY_BYTES": "200000000"}
    assert runners.run("train_eats_memory", worker=worker) == 0
    assert site.finish["code"] == "out_of_memory", site.text()
    assert site.finish["exit_code"] == 1
    assert (
        "exit code 1: Python got no more memory; its peak was"
        in (site.finish["message"])
    )


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (b"MemoryError", True),
        (b"numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB", True),
        (b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", True),
        (b"torch.cuda.OutOfMemoryError: CUDA out of memory", True),
        (b"RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB", True),
        (b"XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while", True),
        (b"ValueError: no MemoryError here", False),
        (b"", False),
    ],
)
def test_last_lines(line: bytes, known: bool) -> None:
    assert bool(process_tree.named_by(line, Exit(1, None))) is known
    assert not process_tree.named_by(line, Exit(0, None))


def test_the_kernel_s_own_kills_are_told_from_others(
    runners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ProcessTree:
        started_at = 0.0
        peak_memory = 8_100_000_000

    killed = Exit(None, 9)
    counts = iter([3, 3, 3, 4])
    monkeypatch.setattr(process_tree, "kernel_kills", lambda: next(counts))
    someone = process_tree.MemoryWatch(ProcessTree(), limit=None)  # type: ignore[arg-type]
    death = someone.death(killed)
    assert (death.code, death.message) == (
        "",
        "killed by signal 9 (possibly out of memory); its peak was 8.1 GB",
    )
    kernel = process_tree.MemoryWatch(ProcessTree(), limit=None)  # type: ignore[arg-type]
    death = kernel.death(killed)
    assert (death.code, death.over_limit) == ("out_of_memory", False)
    assert death.message.endswith(
        "the system ran out of memory and ended it; its peak was 8.1 GB"
    )


def test_this_host_counts_them() -> None:
    assert process_tree.kernel_kills() >= 0


def test_open_files_are_limited(runners: Any, site: Any) -> None:
    assert runners.run("train_opens_files", limits={"open_files": 64}) == 0
    assert site.finish["exit_code"] == 1
    assert "Too many open files" in site.text()


def test_the_worker_s_own_limit_is_the_ceiling(runners: Any, site: Any) -> None:
    command = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    worker = {"SWEEPSITE_LIMIT_OPEN_FILES": "100"}
    runners.run("python", "-c", command, limits={"open_files": 500}, worker=worker)
    assert "(100, 100)" in site.text()
