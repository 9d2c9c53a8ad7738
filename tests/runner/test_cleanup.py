"""The cleanup of a worker's home while trials run, and of lost attempts' folders."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import cleanup
from experiments.runner.cleanup import Housekeeping
from experiments.workers.departure import Departure
from experiments.workers.worker import WorkerHost

WEEKS = 40 * 24 * 3600.0


def old_upload(home: Path) -> Path:
    file = home / "code" / "old.zip"
    file.parent.mkdir(exist_ok=True)
    file.touch()
    os.utime(file, (time.time() - WEEKS, time.time() - WEEKS))
    return file


def test_a_round_is_made_when_it_is_due_and_again_later(
    home: Path,
) -> None:
    keeper = Housekeeping(home, every=0.05)
    for _ in range(2):
        file = old_upload(home)
        until = time.monotonic() + 30
        while file.exists():
            assert time.monotonic() < until
            keeper.look()
            time.sleep(0.02)
    keeper.stop()


def test_before_it_is_due_nothing_is_done(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def popen(*arguments: object, **rest: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(subprocess, "Popen", popen)
    keeper = Housekeeping(home)
    keeper.look()
    keeper.stop()


def test_a_slow_round_delays_nothing_and_no_second_one_begins(
    home: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Any
) -> None:
    slow = home / "slow"
    slow.write_text('#!/bin/sh\necho >> "$0.rounds"\nexec sleep 60\n')
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    keeper = Housekeeping(home, every=0.0)
    keeper.look()
    wait_until((home / "slow.rounds").exists)
    for _ in range(10):
        keeper.look()
        time.sleep(0.02)
    process = keeper._process
    assert process is not None
    keeper.stop()
    assert process.poll() is not None, "it ends with the worker"
    assert (home / "slow.rounds").read_text() == "\n"


def test_the_parent_of_the_slots_looks_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[object] = []
    monkeypatch.setattr(Housekeeping, "look", lambda keeper: looks.append(keeper))
    host = WorkerHost.__new__(WorkerHost)
    host.drain_reason, host.drains, host.departure = "", "", Departure()
    host.next_beat = time.monotonic() + 60
    host.housekeeping = Housekeeping(Path("anywhere"))
    host._check()
    assert looks == [host.housekeeping]


def test_a_training_of_weeks_keeps_its_folder(runners: Any, site: Any) -> None:
    """With no output, no metric and no file for longer than what is dead stays."""
    runner = runners.start("train_hang")
    runners.wait_for_word("START")
    root = runners.folder().root
    os.utime(root, (0, 0))
    beats = len(site.beats)
    site.wait_for(lambda: len(site.beats) >= beats + 2)
    assert cleanup.clear(runners.home) == []
    assert root.exists()
    runner.terminate()
    assert runner.wait(timeout=30) == 0


def aged(path: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


def test_a_lost_attempt_s_folder_is_removed(home: Path) -> None:
    folder = home / "attempts/41/work"
    folder.mkdir(parents=True)
    cleanup.remove_attempt(41, home=home)
    cleanup.remove_attempt(41, home=home)
    assert list((home / "attempts").iterdir()) == []


def test_an_id_cannot_lead_out_of_the_home(home: Path) -> None:
    with pytest.raises(ValueError, match="is not an attempt id"):
        cleanup.remove_attempt("../..", home=home)


def test_what_was_not_touched_for_long_is_cleared(home: Path) -> None:
    for name in ("1", "2"):
        (home / "attempts" / name / "work").mkdir(parents=True)
    (home / "code").mkdir()
    for name in ("old.zip", "new.zip"):
        (home / "code" / name).write_text("x")
    aged(home / "attempts/1", 8)
    aged(home / "code/old.zip", 31)
    assert cleanup.clear(home) == [home / "attempts/1", home / "code/old.zip"]
    assert (home / "attempts/2").exists()
    assert (home / "code/new.zip").exists()


def test_a_home_that_is_not_there_yet_is_clear(tmp_path: Path) -> None:
    assert cleanup.clear(tmp_path / "nowhere") == []
