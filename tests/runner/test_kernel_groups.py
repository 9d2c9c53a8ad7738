"""Real control groups: only where the kernel lets this user limit memory with v2.

CI's containers and most machines for development do not; a virtual machine as root,
or a service with a delegated subtree, does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import limits

MOST = 40 << 20
HOARD = "x = bytearray(90 << 20)"
IN_A_CHILD = f"""
import subprocess, sys, time
subprocess.run([sys.executable, "-c", "{HOARD}"])
time.sleep(600)
"""
READ = """
import sys
with open(sys.argv[1], "rb") as file:
    while file.read(1 << 20):
        pass
"""
WHERE = "print(open('/proc/self/cgroup').read())"


@pytest.fixture
def parent() -> Iterator[Path]:
    """A group for the groups of attempts; what is left in it fails the test."""
    controlled = limits.ROOT / "cgroup.subtree_control"
    if not controlled.exists() or "memory" not in controlled.read_text().split():
        pytest.skip("the kernel does not limit memory by cgroup v2 here")
    folder = limits.ROOT / f"sweepsite-tests-of-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as problem:
        pytest.skip(f"no control group can be made here: {problem}")
    yield folder
    left = [each for each in folder.iterdir() if each.is_dir()]
    for each in (*left, folder):
        limits.remove_group(each)
    assert [each.name for each in left] == []
    assert not folder.exists()


@pytest.fixture
def run(parent: Path, runners: Any) -> Any:
    def start(*argv: str, most: int = MOST) -> None:
        limits, worker = {"memory_bytes": most}, {"SWEEPSITE_CGROUP": str(parent)}
        assert runners.run("python", *argv, limits=limits, worker=worker) == 0

    return start


def test_a_tree_runs_in_a_group_of_its_own(run: Any, parent: Path, site: Any) -> None:
    run("-c", WHERE)
    assert site.finish["exit_code"] == 0
    assert f"{parent.name}/sweepsite-41-" in site.text()


@pytest.mark.parametrize("code", [HOARD, IN_A_CHILD])
def test_the_kernel_ends_the_whole_tree_and_the_limit_is_named(
    run: Any, runners: Any, site: Any, code: str
) -> None:
    run("-c", code)
    assert site.finish["code"] == "out_of_memory"
    message = site.finish["message"]
    assert message.startswith("needed more than 41.9 MB of memory: peak"), message
    assert not runners.alive()


def test_files_that_are_read_are_no_need(run: Any, site: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(1 << 20) * 70)
    run("-c", READ, str(data))
    assert (site.finish["exit_code"], site.finish["code"]) == (0, "")
    assert site.finish["peak_memory"] < 38 << 20


def test_where_all_have_too_little_the_limit_is_not_blamed(
    run: Any, parent: Path, site: Any
) -> None:
    (parent / "memory.max").write_text(str(MOST))
    run("-c", HOARD, most=4 * MOST)
    assert site.finish["code"] == "out_of_memory"
    assert "the system ran out of memory" in site.finish["message"]
