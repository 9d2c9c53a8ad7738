"""The worker's clock is set to another time while training runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.runner import spool, stopping
from experiments.runner.folder import AttemptFolder
from experiments.runner.stopping import ScriptResponse

HOUR = 3_600.0


class Clocks:
    """Both clocks of a host; the wall's may be set."""

    def __init__(self) -> None:
        self.now, self.wall = 1_000.0, 1_900_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


@pytest.mark.parametrize("by", [0.0, HOUR, -HOUR])
@pytest.mark.parametrize("first", ["hears", "set"])
def test_a_script_that_leaves_keeps_its_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: float, first: str
) -> None:
    clocks = Clocks()
    monkeypatch.setattr(stopping, "time", clocks)
    folder = AttemptFolder.of(tmp_path, "1")
    folder.create()
    leaves = ScriptResponse(folder)
    clocks.go_on(2 * HOUR)
    clocks.wall += by if first == "set" else 0.0
    folder.stop_seen.write_text("enough")
    os.utime(folder.stop_seen, (clocks.wall, clocks.wall))
    clocks.wall += by if first == "hears" else 0.0
    clocks.go_on(2.0)
    assert leaves.left(10.0) == pytest.approx(8.0)
    clocks.go_on(20.0)
    assert leaves.left(10.0) == 0.0


@pytest.mark.parametrize(("age", "quiet"), [(0, False), (20, True), (-HOUR, True)])
def test_what_was_written_before_the_clock_was_set_back_is_sent(
    tmp_path: Path, age: float, quiet: bool
) -> None:
    file = tmp_path / "spool"
    file.touch()
    written = file.stat().st_mtime - age
    os.utime(file, (written, written))
    assert spool._is_quiet(file) is quiet
