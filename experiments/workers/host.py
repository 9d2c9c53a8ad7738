"""What a worker reports about its host: GPUs, processors, memory and disk."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.runner.gpus import Device, DeviceError, listed_devices
from experiments.runner.reproduce import total_memory, usable_cpus

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Devices:
    """The GPUs for a worker's slots, and a sentence on how they were found."""

    found: Sequence[Device] = ()
    remark: str = ""

    def as_json(self) -> list[dict[str, object]]:
        return [asdict(device) for device in self.found]


def chosen_devices(choice: str, environment: Mapping[str, str]) -> Devices:
    """The devices of `--gpus`: ``auto``, ``none``, or indexes such as ``0,1``.

    ``auto`` means all of the host, within CUDA_VISIBLE_DEVICES of the environment.
    Raises DeviceError.
    """
    if choice in ("", "none"):
        return Devices()
    try:
        listed = listed_devices()
    except DeviceError as problem:
        if choice == "auto":
            return Devices(remark=f"No GPUs: {problem}")
        listed = []
    if choice != "auto":
        return Devices(_named(choice, listed))
    visible = environment.get(VISIBLE)
    if visible is not None:
        listed = [d for d in listed if d.index in _indexes(visible, of=VISIBLE)]
    return Devices(listed, _remark(listed, visible))


def _remark(found: Sequence[Device], visible: str | None) -> str:
    within = "" if visible is None else f" within {VISIBLE}={visible}"
    if not found:
        return f"No GPUs: the NVIDIA driver lists none{within}."
    names = ", ".join(f"{device.index} ({device.name})" for device in found)
    return f"GPUs{within}: {names}."


def _named(choice: str, listed: Sequence[Device]) -> list[Device]:
    """The devices with these indexes; the driver, if it answers, must list them."""
    known = {device.index: device for device in listed}
    indexes = _indexes(choice, of="--gpus")
    unknown = [index for index in indexes if known and index not in known]
    if unknown:
        raise DeviceError(
            f"--gpus names device {unknown[0]}, but the NVIDIA driver lists"
            f" {', '.join(map(str, known))}."
        )
    return [known.get(index, Device(index)) for index in indexes]


def _indexes(text: str, *, of: str) -> list[int]:
    """The numbers of a list such as ``0,1``; CUDA ends it at a negative one."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if of == VISIBLE and parts[:1] == ["-1"]:
        return []
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise DeviceError(
            f"{of} must be indexes of devices, such as 0,1, not {text[:80]!r}."
            + (" Give the worker --gpus 0,1 instead." if of == VISIBLE else "")
        )
    indexes = [int(part) for part in parts]
    if len(set(indexes)) < len(indexes):
        raise DeviceError(f"{of} names a device twice: {text[:80]}.")
    if not indexes and of != VISIBLE:
        raise DeviceError(f"{of} must be auto, none or indexes such as 0,1.")
    return indexes


def slots_of(devices: Sequence[Device], *, slots: int | None, per_slot: int) -> int:
    """How many slots the worker has. Raises DeviceError without enough devices."""
    if not devices:
        return 1 if slots is None else slots
    most = len(devices) // per_slot
    wanted = most if slots is None else slots
    if not 1 <= wanted <= most:
        raise DeviceError(
            f"{wanted or 1} slots of {per_slot} GPUs need {(wanted or 1) * per_slot},"
            f" but there are {len(devices)}. Give --slots {max(1, most)} or fewer, or"
            " --gpus-per-slot 1."
        )
    return wanted


def host_facts(folder: Path) -> dict[str, int]:
    """Processors, memory and the free space of the folder's disk, in bytes, as far as
    this system knows them."""
    facts = {"cpus": usable_cpus(), "memory": total_memory()}
    known = {name: value for name, value in facts.items() if value is not None}
    return {**known, **disk_facts(folder)}


def disk_facts(folder: Path) -> dict[str, int]:
    """The free space of the folder's disk, in bytes, if it is known."""
    with contextlib.suppress(OSError):
        usage = shutil.disk_usage(folder)
        # Some network file systems report no size.
        if usage.total:
            return {"disk_free": usage.free}
    return {}
