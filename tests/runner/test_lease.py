"""A preparation that outlives the lease: no training beside another attempt's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.runner.errors import SiteAway, SiteSilent
from experiments.runner.outcome import Lease
from experiments.runner.spec import AttemptSpec, parse_spec

# Whoever waits ten seconds for each beat tests nothing else.
RUNNER = """
import sys
from experiments.runner import http
from experiments.runner.__main__ import main
http.TIMEOUT = 0.3
sys.exit(main())
"""
# An interpreter whose virtual environments take until a file is there.
SLOW_PYTHON = """#!/bin/sh
case "$*" in
*"-m venv "*)
    while [ ! -e {go} ]; do sleep 0.02; done
    mkdir -p "$3/bin" && ln -s {python} "$3/bin/python" ;;
*) echo '["slow"]' ;;
esac
"""


def start(runners: Any, tmp_path: Path, **changes: Any) -> subprocess.Popen[bytes]:
    python = tmp_path / "slow-python"
    python.write_text(
        SLOW_PYTHON.format(go=tmp_path / "go", python=Path(sys.executable).resolve())
    )
    python.chmod(0o755)
    spec = runners.spec(
        "train_hang", python=str(python), requirements=["# none"], **changes
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, "--home", str(runners.home)],
        stdin=subprocess.PIPE,
    )
    runners.started.append(runner)
    assert runner.stdin is not None
    runner.stdin.write(json.dumps(spec).encode())
    runner.stdin.close()
    return runner


def silence(site: Any) -> float:
    site.wait_for(lambda: any("builds" in b.get("phase", "") for b in site.beats))
    site.hang = True
    return time.monotonic()


def test_a_host_cut_off_beyond_the_lease_begins_no_training(
    runners: Any, site: Any, tmp_path: Path, wait_until: Any
) -> None:
    runner = start(runners, tmp_path, lease_seconds=1.2)
    silent_since = silence(site)
    time.sleep(max(0.0, silent_since + 1.3 - time.monotonic()))
    (tmp_path / "go").touch()
    log = runners.folder().log
    wait_until(
        lambda: runners.words() or b"the site did not answer for" in log.read_bytes(),
        seconds=30,
    )
    site.hang = False
    assert runners.words() == []
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "cut_off"
    assert "for 1.08 s, so another attempt may begin" in site.finish["message"]


@pytest.mark.parametrize("rest", [{}, {"when_cut_off": "ride_out"}])
def test_it_begins_within_the_lease_or_if_the_sweep_says_ride_out(
    runners: Any, site: Any, tmp_path: Path, rest: dict[str, Any]
) -> None:
    lease = 1.2 if rest else 600
    runner = start(runners, tmp_path, lease_seconds=lease, **rest)
    silence(site)
    time.sleep(1.3)
    (tmp_path / "go").touch()
    runners.wait_for_word("START")
    site.hang = False
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "released"


def spec_with(runners: Any, **changes: Any) -> AttemptSpec:
    return parse_spec(json.dumps(runners.spec("true", **changes)))


def test_only_a_silent_host_counts_as_cut_off(runners: Any) -> None:
    spec = spec_with(runners, lease_seconds=100, heartbeat_seconds=5)
    lease = Lease()
    assert lease.answered_lately(spec)
    lease.note_answer(long_ago := time.monotonic() - 80)
    assert not lease.answered_lately(spec)
    lease.note_absence(SiteSilent("no route"))
    assert lease.cut_off_at(spec) == long_ago + 90
    lease.note_absence(SiteAway("status 503"))
    assert lease.cut_off_at(spec) > time.monotonic() + 80
    assert not lease.answered_lately(spec), "an error is no answer"
