"""What a worker reports about its host: GPUs, processors, memory and disk."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.runner.environment import without_secrets

COMMAND = "nvidia-smi"
QUERY = ("--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits")
MAX_SECONDS = 30.0
MEBIBYTE = 1 << 20
VISIBLE = "CUDA_VISIBLE_DEVICES"


class DeviceError(Exception):
    """The chosen devices or slots do not exist; the message is for people."""


@dataclass(frozen=True)
class Device:
    """One GPU; `memory` in bytes, None if it is not known."""

    index: int
    name: str = ""
    memory: int | None = None


@dataclass(frozen=True)
class Devices:
    """The GPUs for a worker's slots, and a sentence on how they were found."""

    found: Sequence[Device] = ()
    remark: str = ""

    def as_json(self) -> list[dict[str, object]]:
        return [asdict(device) for device in self.found]


def chosen_devices(choice: str, environment: Mapping[str, str]) -> Devices:
    """The devices of `--gpus`: ``auto``, ``none``, or indexes such as ``0,1``.

    ``auto`` means those of nvidia-smi, within CUDA_VISIBLE_DEVICES of the environment.
    Raises DeviceError.
    """
    if choice in ("", "none"):
        return Devices()
    try:
        listed = listed_devices(environment.get("PATH"))
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
        return f"No GPUs: {COMMAND} lists none{within}."
    names = ", ".join(f"{device.index} ({device.name})" for device in found)
    return f"GPUs{within}: {names}."


def listed_devices(path: str | None = None) -> list[Device]:
    """What nvidia-smi lists. Raises DeviceError if it is not installed, or fails."""
    command = shutil.which(COMMAND, path=path)
    if command is None:
        raise DeviceError(f"{COMMAND} was not found on PATH.")
    try:
        done = subprocess.run(
            [command, *QUERY],
            env=without_secrets(os.environ),
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise DeviceError(f"{COMMAND} did not answer: {problem}") from problem
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[:1]
        raise DeviceError(f"{COMMAND} failed: {' '.join(said) or done.returncode}")
    return [_device(line) for line in done.stdout.splitlines() if line.strip()]


def _device(line: str) -> Device:
    """One of its lines, such as ``0, NVIDIA A100-SXM4-40GB, 40960`` (mebibytes)."""
    index, _, rest = line.partition(",")
    name, _, memory = rest.rpartition(",")
    if not index.strip().isdecimal():
        raise DeviceError(f"{COMMAND} wrote a line that is not a device: {line[:80]!r}")
    size = int(memory) * MEBIBYTE if memory.strip().isdecimal() else None
    return Device(int(index), name.strip()[:100], size)


def _named(choice: str, listed: Sequence[Device]) -> list[Device]:
    """The devices with these indexes; nvidia-smi, if installed, must list them."""
    known = {device.index: device for device in listed}
    indexes = _indexes(choice, of="--gpus")
    unknown = [index for index in indexes if known and index not in known]
    if unknown:
        raise DeviceError(
            f"--gpus names device {unknown[0]}, but {COMMAND} lists"
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
    facts = {"cpus": usable_cpus()}
    with contextlib.suppress(AttributeError, OSError, ValueError):
        facts["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {**facts, **disk_facts(folder)}


def disk_facts(folder: Path) -> dict[str, int]:
    """The free space of the folder's disk, in bytes, if it is known."""
    with contextlib.suppress(OSError):
        usage = shutil.disk_usage(folder)
        # Some network file systems report no size.
        if usage.total:
            return {"disk_free": usage.free}
    return {}


def usable_cpus() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
