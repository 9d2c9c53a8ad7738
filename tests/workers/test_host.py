"""GPUs are listed by their driver (here a stand-in) and go to a worker's slots."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from experiments.runner.gpus import Device, DeviceError
from experiments.workers.host import chosen_devices, slots_of
from tests.stand_in_nvml import nvml

NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def have(count: int, problem: str = "") -> None:
        monkeypatch.setitem(sys.modules, "pynvml", nvml(count, problem=problem))

    return have


def indexes(choice: str, environment: Mapping[str, str] = NOTHING) -> list[int]:
    return [device.index for device in chosen_devices(choice, environment).found]


def test_auto_takes_what_the_driver_lists(gpus: Any) -> None:
    gpus(2)
    devices = chosen_devices("auto", {})
    assert list(devices.found) == [
        Device(0, "NVIDIA A4000", 16376 << 20),
        Device(1, "NVIDIA A4000", 16376 << 20),
    ]
    assert devices.remark == "GPUs: 0 (NVIDIA A4000), 1 (NVIDIA A4000)."


@pytest.mark.parametrize("problem", ["Driver Not Loaded", ""])
def test_without_a_driver_there_are_none_and_one_line_says_so(
    gpus: Any, problem: str
) -> None:
    gpus(0, problem)
    devices = chosen_devices("auto", {})
    assert not devices.found
    says = f"driver says: {problem}." if problem else "driver lists none."
    assert devices.remark == f"No GPUs: the NVIDIA {says}"


def test_a_driver_that_never_answers_counts_as_none(
    gpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(1)
    over = threading.Event()
    monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", lambda: over.wait(60))
    monkeypatch.setattr("experiments.runner.gpus.MAX_SECONDS", 0.05)
    remark = chosen_devices("auto", {}).remark
    over.set()
    assert remark == "No GPUs: the NVIDIA driver did not answer."


@pytest.mark.parametrize(
    ("visible", "found"),
    [("2,0", [0, 2]), ("", []), ("-1", []), ("1,-1", None), ("GPU-5e1", None)],
)
def test_auto_keeps_within_the_worker_s_own_visible_devices(
    gpus: Any, visible: str, found: list[int] | None
) -> None:
    gpus(4)
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    if found is None:
        with pytest.raises(DeviceError, match=r"CUDA_VISIBLE_DEVICES.*--gpus 0,1"):
            chosen_devices("auto", environment)
    else:
        assert indexes("auto", environment) == found


def test_named_devices_are_taken_in_their_order(gpus: Any) -> None:
    gpus(4)
    assert indexes("3,1") == [3, 1]
    assert indexes("none") == []
    gpus(0, "Driver Not Loaded")
    assert indexes("1") == [1]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("4", "names device 4, but the NVIDIA driver lists 0, 1, 2, 3"),
        ("0,0", "names a device twice"),
        ("all", "must be indexes of devices, such as 0,1, not 'all'"),
        (",", "must be auto, none or indexes"),
    ],
)
def test_devices_that_cannot_be_had_are_refused_in_words(
    gpus: Any, choice: str, words: str
) -> None:
    gpus(4)
    with pytest.raises(DeviceError, match=words):
        chosen_devices(choice, {})


def test_slots_follow_the_devices() -> None:
    four = [Device(index) for index in range(4)]
    assert slots_of(four, slots=None, per_slot=1) == 4
    assert slots_of(four, slots=None, per_slot=3) == 1
    assert slots_of(four, slots=2, per_slot=2) == 2
    assert slots_of([], slots=None, per_slot=1) == 1
    assert slots_of([], slots=7, per_slot=1) == 7


@pytest.mark.parametrize(("slots", "per_slot"), [(5, 1), (3, 2), (None, 5)])
def test_more_slots_than_devices_are_refused(slots: int | None, per_slot: int) -> None:
    four = [Device(index) for index in range(4)]
    with pytest.raises(DeviceError, match="but there are 4"):
        slots_of(four, slots=slots, per_slot=per_slot)
