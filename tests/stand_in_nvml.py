"""A module in the place of pynvml: the driver of GPUs that no machine here has."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace


class NVMLError(Exception):
    """As pynvml raises it."""


def nvml(
    count: int, *, problem: str = "", name: str = "NVIDIA A4000", used: int = 5 << 30
) -> ModuleType:
    """With this many GPUs of 16,376 MiB; ``problem``: what the first call says."""
    module = ModuleType("pynvml")

    def start() -> None:
        if problem:
            raise NVMLError(problem)

    def handle(index: int) -> int:
        if index >= count:
            raise NVMLError("Invalid Argument")
        return index

    functions = {
        "NVMLError": NVMLError,
        "nvmlInit": start,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: count,
        "nvmlDeviceGetHandleByIndex": handle,
        "nvmlDeviceGetName": lambda _: name,
        "nvmlSystemGetDriverVersion": lambda: "575.51",
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(
            total=16376 << 20, used=used
        ),
        "nvmlDeviceGetUtilizationRates": lambda index: SimpleNamespace(gpu=80 + index),
    }
    for key, value in functions.items():
        setattr(module, key, value)
    return module
