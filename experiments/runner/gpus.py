"""NVIDIA GPUs, as the library of their driver (NVML) lists and measures them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.runner.folder import size_in_words

# A broken driver may never answer.
MAX_SECONDS = 30.0


class DeviceError(Exception):
    """The chosen devices or slots do not exist; the message is for people."""


@dataclass(frozen=True)
class Device:
    """One GPU; `memory` in bytes, None if it is not known."""

    index: int
    name: str = ""
    memory: int | None = None

    def __str__(self) -> str:
        size = f", {size_in_words(self.memory)}" if self.memory else ""
        return f"{self.name}{size}"


@contextlib.contextmanager
def library() -> Iterator[Any]:
    """The library, in use. Its module takes time to load. Raises DeviceError."""
    import pynvml

    try:
        pynvml.nvmlInit()
        try:
            yield pynvml
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as problem:
        raise DeviceError(f"the NVIDIA driver says: {problem}.") from problem


def listed_devices() -> list[Device]:
    """All of the host, in the order of nvidia-smi. Raises DeviceError."""
    answers: queue.SimpleQueue[list[Device] | DeviceError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with library() as nvml:
                indexes = range(nvml.nvmlDeviceGetCount())
                answers.put([_device(nvml, index) for index in indexes])
        except DeviceError as problem:
            answers.put(problem)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=MAX_SECONDS)
    except queue.Empty:
        raise DeviceError("the NVIDIA driver did not answer.") from None
    if isinstance(answer, DeviceError):
        raise answer
    return answer


def _device(nvml: Any, index: int) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name = str(nvml.nvmlDeviceGetName(handle))[:100]
    return Device(index, name, int(nvml.nvmlDeviceGetMemoryInfo(handle).total))


def device_facts(indexes: Sequence[int]) -> dict[str, object]:
    """`gpus` and `driver` of an environment's document."""
    if not indexes:
        return {}
    try:
        with library() as nvml:
            devices = [str(_device(nvml, index)) for index in indexes]
            return {"gpus": devices, "driver": str(nvml.nvmlSystemGetDriverVersion())}
    except DeviceError:
        return {}


def device_use(indexes: Sequence[int]) -> dict[str, float]:
    """How busy these GPUs are, in percent, and their memory in use, in bytes."""
    use: dict[str, float] = {}
    if not indexes:
        return use
    with contextlib.suppress(DeviceError), library() as nvml:
        for index in indexes:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            use[f"gpu_{index}"] = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            use[f"gpu_{index}_memory"] = memory.used
    return use
