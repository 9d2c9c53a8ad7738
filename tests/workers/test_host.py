"""GPUs are listed by nvidia-smi (here a stand-in) and go to a worker's slots."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.workers.host import Device, DeviceError, chosen_devices, slots_of

FOUR = [f"{index}, NVIDIA A4000, 16376" for index in range(4)]


def stand_in(folder: Path, *lines: str, status: int = 0) -> dict[str, str]:
    """An environment in which nvidia-smi prints these lines."""
    command = folder / "nvidia-smi"
    echoes = "".join(f"echo '{line}'\n" for line in lines)
    command.write_text(f"#!/bin/sh\n{echoes}exit {status}\n")
    command.chmod(0o755)
    return {"PATH": str(folder)}


def indexes(choice: str, environment: dict[str, str]) -> list[int]:
    return [device.index for device in chosen_devices(choice, environment).found]


def test_auto_takes_what_nvidia_smi_lists(tmp_path: Path) -> None:
    devices = chosen_devices("auto", stand_in(tmp_path, *FOUR[:2]))
    assert list(devices.found) == [
        Device(0, "NVIDIA A4000", 16376 << 20),
        Device(1, "NVIDIA A4000", 16376 << 20),
    ]
    assert devices.remark == "GPUs: 0 (NVIDIA A4000), 1 (NVIDIA A4000)."


def test_without_nvidia_smi_there_are_none_and_one_line_says_so(tmp_path: Path) -> None:
    devices = chosen_devices("auto", {"PATH": str(tmp_path)})
    assert not devices.found
    assert devices.remark == "No GPUs: nvidia-smi was not found on PATH."


def test_an_nvidia_smi_that_fails_counts_as_none(tmp_path: Path) -> None:
    environment = stand_in(tmp_path, "No devices were found", status=6)
    remark = chosen_devices("auto", environment).remark
    assert remark == "No GPUs: nvidia-smi failed: No devices were found"


@pytest.mark.parametrize(
    ("visible", "found"),
    [("2,0", [0, 2]), ("", []), ("-1", []), ("1,-1", None), ("GPU-5e1", None)],
)
def test_auto_keeps_within_the_worker_s_own_visible_devices(
    tmp_path: Path, visible: str, found: list[int] | None
) -> None:
    environment = {**stand_in(tmp_path, *FOUR), "CUDA_VISIBLE_DEVICES": visible}
    if found is None:
        with pytest.raises(DeviceError, match=r"CUDA_VISIBLE_DEVICES.*--gpus 0,1"):
            chosen_devices("auto", environment)
    else:
        assert indexes("auto", environment) == found


def test_named_devices_are_taken_in_their_order(tmp_path: Path) -> None:
    assert indexes("3,1", stand_in(tmp_path, *FOUR)) == [3, 1]
    assert indexes("1", {"PATH": "/nowhere"}) == [1]
    assert indexes("none", stand_in(tmp_path, *FOUR)) == []


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("4", "names device 4, but nvidia-smi lists 0, 1, 2, 3"),
        ("0,0", "names a device twice"),
        ("all", "must be indexes of devices, such as 0,1, not 'all'"),
        (",", "must be auto, none or indexes"),
    ],
)
def test_devices_that_cannot_be_had_are_refused_in_words(
    tmp_path: Path, choice: str, words: str
) -> None:
    with pytest.raises(DeviceError, match=words):
        chosen_devices(choice, stand_in(tmp_path, *FOUR))


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
