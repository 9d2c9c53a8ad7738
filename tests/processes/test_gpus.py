"""Trials see the GPUs of their host (a stand-in lists them), which is then drained."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.processes.running_site import running_site, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
DRIVER = """
import sys
from tests.stand_in_nvml import nvml
sys.modules[__name__] = nvml(4)
"""
# Says which devices it sees in the only way that a page shows: as its metric.
SEES = """
import os, sweepsite_client
seen = os.environ["CUDA_VISIBLE_DEVICES"].replace(",", "")
sweepsite_client.log(step=1, accuracy=int("1" + seen))
"""


def test_trials_of_two_gpus_see_two_and_a_drained_host_gets_no_more(
    tmp_path: Path,
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "pynvml.py").write_text(DRIVER)
    settings = {"PYTHONPATH": os.pathsep.join((str(tools), str(ROOT)))}
    home = tmp_path / "home"
    with running_site(home, "--gpus", "auto", settings=settings, slots=4) as site:
        trial = {"command": "python sees.py", "code": {"files": {"sees.py": SEES}}}
        limits = {"max_total_trials": 4, "max_concurrent_trials": 4}
        sweep = site.submit(trial=trial, limits=limits, resources={"gpus": 2})
        site.wait_for_end(sweep)
        seen = {trial["value"] for trial in site.trials(sweep)}
        assert seen <= {101.0, 112.0, 123.0, 103.0, 102.0, 113.0}

        (host,) = (
            pid
            for pid in site.pids("worker", "--gpus")
            if pid not in site.pids("--only-slot")
        )
        os.kill(host, signal.SIGUSR1)
        log = home / "logs" / "worker.log"
        wait_for(lambda: "host is draining" in log.read_text(), "the drain", site.said)
        more = site.submit(trial=trial, limits=limits)
        wait_for(lambda: bool(site.trials(more)), "a trial to wait", site.said)
        assert {trial["state"] for trial in site.trials(more)} == {"queued"}
