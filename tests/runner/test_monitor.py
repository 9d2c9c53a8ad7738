"""What a training uses, measured from outside; a failing driver costs nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.runner.errors import Refused, SiteSilent
from experiments.runner.gpus import device_facts, device_use
from experiments.runner.monitor import MAX_DENSE, Monitor, TreeUsage
from tests.stand_in_nvml import nvml

BUSY = "import sys\nprint('on', flush=True)\nwhile True: pass"


@pytest.fixture
def busy() -> Iterator[int]:
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_busy_process_takes_processor_time_and_memory(busy: int) -> None:
    usage = TreeUsage(lambda: [busy], [])
    began = time.monotonic()
    usage.measure(0.001)
    time.sleep(0.4)
    found = usage.measure(time.monotonic() - began)
    assert 0 < found["cpu"] < 1.3
    assert 1 << 20 < found["memory"] < 1 << 30
    assert found["disk_read"] >= 0
    assert found["disk_write"] >= 0


def test_processes_that_have_ended_count_as_nothing() -> None:
    usage = TreeUsage(lambda: [2**22 - 1], [])
    found = usage.measure(1.0)
    assert found == {"cpu": 0, "memory": 0, "disk_read": 0, "disk_write": 0}


def test_gpus_of_the_slot_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(4))
    assert device_use([1, 3]) == {
        "gpu_1": 81,
        "gpu_1_memory": 5 << 30,
        "gpu_3": 83,
        "gpu_3_memory": 5 << 30,
    }
    assert device_facts([2]) == {"gpus": ["NVIDIA A4000, 17.2 GB"], "driver": "575.51"}


def test_a_gpu_that_is_gone_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(1))
    assert set(device_use([0, 7])) == {"gpu_0", "gpu_0_memory"}
    monkeypatch.setitem(sys.modules, "pynvml", nvml(1, problem="Driver Not Loaded"))
    assert device_use([0]) == {}
    assert device_facts([0]) == {}


class Sink:
    """A site's route for points that fails as often as it is told."""

    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)
        self.points: list[dict[str, Any]] = []

    def send_points(self, points: list[dict[str, Any]]) -> None:
        if self.problems:
            raise self.problems.pop(0)
        self.points += points


def monitor(
    sink: Sink, *, elapsed: float = 7.9, beat: float = 5.0, pid: int = 0
) -> Monitor:
    spec = SimpleNamespace(gpus=(), heartbeat_seconds=beat)
    context: Any = SimpleNamespace(spec=spec, site=sink)
    members = [pid or os.getpid()]
    tree: Any = SimpleNamespace(members=lambda: members, elapsed=lambda: elapsed)
    return Monitor(context, tree=tree)


def test_processes_that_have_just_ended_are_not_the_last_measurement() -> None:
    sink = Sink()
    watching = monitor(sink, pid=2**22 - 1)
    watching._measure()
    assert not watching.send_next()


def test_measurements_wait_for_a_site_that_is_away() -> None:
    sink = Sink(SiteSilent("no answer"))
    watching = monitor(sink)
    watching._measure()
    watching._send_if_due()
    assert sink.points == []
    assert watching.send_next()
    assert not watching.send_next()
    assert {point["name"] for point in sink.points} == {
        *("system/cpu", "system/memory", "system/disk_read", "system/disk_write")
    }
    assert {point["step"] for point in sink.points} == {7}


def test_refused_measurements_are_dropped() -> None:
    watching = monitor(Sink(Refused("no")))
    watching._measure()
    assert watching.send_next()
    assert not watching.send_next()


def test_pauses_grow_so_that_a_month_stays_small() -> None:
    assert monitor(Sink(), elapsed=60)._pause(0) == 5
    assert monitor(Sink(), beat=0.01)._pause(0) == 1
    assert monitor(Sink())._pause(0.2) == pytest.approx(20)
    at, count = 0.0, 0
    while at < 30 * 86_400:
        at += monitor(Sink(), elapsed=at)._pause(0)
        count += 1
    assert MAX_DENSE < count < 2_300


def test_a_runner_loads_what_measures_only_when_it_measures() -> None:
    code = "import sys, experiments.runner.launch; "
    code += "print({'psutil', 'pynvml', 'django'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
