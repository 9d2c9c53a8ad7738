"""The worker's disk is full while the site is away: the end names what is lost."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.chaos import volumes

LIMITED = """
import resource, sweepsite_client as s
s.log(step=0, loss=0)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
for i in range(1, 30): s.log(step=i, loss=i)
"""
FILLS = """
import os, sweepsite_client as s
s.log(step=0, loss=0)
file = os.open("ballast", os.O_WRONLY | os.O_CREAT)
for piece in (4096, 1):
    try:
        while True: os.write(file, bytes(piece))
    except OSError: pass
for i in range(1, 300): s.log(step=i, loss=i); print("line", i, "x" * 90, flush=True)
"""


def lost_points(finish: dict[str, Any]) -> int:
    sentence = next(each for each in finish["lost"] if "metric points" in each)
    return int(re.findall(r"^(\d+) metric points are lost", sentence)[0])


def test_reports_without_room_on_the_disk_are_counted(runners: Any, site: Any) -> None:
    site.statuses["trial-metrics"] = 503
    assert runners.run("python", "-c", LIMITED) == 0
    lost = lost_points(site.finish)
    assert lost > 20 and lost + len(site.points) == 30
    assert f"[sweepsite: {lost} metric points are lost: they could be" in site.text()
    assert site.finish["exit_code"] == 0


@pytest.mark.skipif(
    bool(volumes.no_small_disks()), reason=volumes.no_small_disks() or "-"
)
def test_a_disk_of_one_megabyte_that_the_script_fills(runners: Any, site: Any) -> None:
    with volumes.volume(runners.home, megabytes=1):
        site.statuses["trial-metrics"] = 503
        assert runners.run("python", "-c", FILLS) == 0
        lost = lost_points(site.finish)
        # The spool's first block was on the disk before.
        assert lost > 200 and lost + len(site.points) == 300
        output = next(each for each in site.finish["lost"] if "of output" in each)
        assert "the worker's disk did not take them (No space left on device)" in output


def test_a_script_that_is_killed_has_counted_before(runners: Any, site: Any) -> None:
    site.statuses["trial-metrics"] = 503
    killed = LIMITED + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert runners.run("python", "-c", killed) == 0
    assert lost_points(site.finish) + len(site.points) == 30
    assert site.finish["signal"] == 9


def test_a_log_that_the_site_has_no_room_for_is_lost_by_its_size(
    runners: Any, site: Any
) -> None:
    site.statuses["log"] = 507
    assert runners.run("sh", "-c", "echo twelve bytes") == 0
    assert site.finish["lost"] == [
        "13 bytes of output are lost: the site did not take them (that is a 507)"
    ]
    assert site.finish["log_dropped"] == 0
