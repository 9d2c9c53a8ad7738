"""A control group of an attempt: made where it can be, done without elsewhere.

The kernel's own folders need rights that a test seldom has, so plain folders stand in;
test_kernel_groups.py has the real ones.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.runner import limits
from experiments.runner.limits import cgroup_for
from experiments.runner.process_tree import MemoryWatch
from experiments.runner.stopping import Exit


@pytest.fixture
def delegated(tmp_path: Path) -> Path:
    """What the kernel would make of a new group."""
    group = group_in(tmp_path)
    group.mkdir()
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cgroup.procs"):
        (group / name).touch()
    (group / "memory.events").write_text("low 0\nhigh 0\noom 1\noom_kill 2\n")
    (group / "memory.peak").write_text("8100000000\n")
    return tmp_path


def group_in(parent: Path, runner: int | None = None) -> Path:
    return parent / f"sweepsite-41-{runner or os.getpid()}"


def make(parent: Path) -> Any:
    variables = {"SWEEPSITE_CGROUP": str(parent)}
    return cgroup_for("41", memory=8_000_000_000, worker=variables)


def test_a_group_has_the_limit_and_no_swap(delegated: Path) -> None:
    assert make(delegated) is not None
    group = group_in(delegated)
    assert (group / "memory.max").read_text() == "8000000000"
    assert (group / "memory.swap.max").read_text() == "0"
    assert (group / "memory.oom.group").read_text() == "1"


def test_the_tree_ends_as_a_whole_where_swap_is_not_counted(delegated: Path) -> None:
    swap = group_in(delegated) / "memory.swap.max"
    swap.unlink()
    # As the kernel's own folder, which refuses a new file.
    swap.mkdir()
    assert make(delegated) is not None
    assert (group_in(delegated) / "memory.oom.group").read_text() == "1"


def test_a_process_enters_before_it_execs(delegated: Path) -> None:
    group = make(delegated)
    group.enter()
    assert (group_in(delegated) / "cgroup.procs").read_text() == "0"


def test_groups_of_killed_runners_are_removed(tmp_path: Path) -> None:
    nobody = 1 << 30
    left, of_a_runner = group_in(tmp_path, nobody), group_in(tmp_path, os.getppid())
    # Its runner may be in another container, and its training about to enter.
    new = group_in(tmp_path, nobody + 1)
    for folder in (left, of_a_runner, tmp_path / "sweepsite-docs-api"):
        folder.mkdir()
        os.utime(folder, (0, time.time() - 61))
    new.mkdir()
    assert make(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == sorted(
        [of_a_runner.name, new.name, "sweepsite-docs-api"]
    )


def test_what_the_kernel_ends_there_is_out_of_memory(delegated: Path) -> None:
    tree: Any = SimpleNamespace(started_at=0.0, peak_memory=0)
    memory = MemoryWatch(tree, limit=8_000_000_000, group=make(delegated))
    for end in (Exit(None, 9), Exit(1, None)):
        death = memory.death(end)
        assert (death.code, death.over_limit) == ("out_of_memory", True)
        assert death.message == "needed more than 8 GB of memory: peak 8.1 GB"
    well = memory.death(Exit(0, None))
    assert (well.code, well.message) == ("", "exit code 0")


def test_what_it_ends_while_the_group_has_room_is_the_system_s_want(
    delegated: Path,
) -> None:
    events = group_in(delegated) / "memory.events"
    events.write_text("low 0\nhigh 0\noom 0\noom_kill 2\n")
    tree: Any = SimpleNamespace(started_at=0.0, peak_memory=0)
    memory = MemoryWatch(tree, limit=8_000_000_000, group=make(delegated))
    death = memory.death(Exit(1, None))
    assert (death.code, death.over_limit) == ("out_of_memory", False)
    assert "the system ran out of memory and ended it" in death.message


@pytest.mark.parametrize("folder", ["missing", "no controller"])
def test_where_none_can_be_memory_is_only_watched(
    tmp_path: Path, folder: str, runners: Any, site: Any
) -> None:
    parent = tmp_path / folder
    if folder != "missing":
        parent.mkdir()
    assert make(parent) is None
    assert not group_in(parent).exists()
    worker = {"SWEEPSITE_CGROUP": str(parent)}
    limits = {"memory_bytes": 200_000_000}
    runners.run("train_eats_memory", limits=limits, worker=worker)
    assert site.finish["code"] == "out_of_memory"


def test_nothing_is_made_without_a_limit(delegated: Path) -> None:
    worker = {"SWEEPSITE_CGROUP": str(delegated)}
    assert cgroup_for("41", memory=None, worker=worker) is None


@pytest.mark.parametrize(
    ("own", "parent"),
    [
        ("0::/system.slice/sweeps.service/worker\n", "system.slice/sweeps.service"),
        ("0::/\n", None),
        ("4:memory:/docker/1\n", None),
    ],
)
def test_the_parent_is_the_group_around_the_worker_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, parent: str | None
) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(limits, "ROOT", tmp_path)
    monkeypatch.setattr(limits, "OWN", tmp_path / "own")
    expected = None if parent is None else tmp_path / parent
    assert limits._parent({}) == expected
