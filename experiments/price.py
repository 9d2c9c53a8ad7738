"""What the time of a sweep's trials costs."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.models import Sweep

HOUR = 3_600


@dataclass(frozen=True)
class Price:
    """GPUs of one trial, and money for an hour of its slot; None where it has none."""

    gpus: int
    per_hour: float | None

    @classmethod
    def of(cls, sweep: Sweep) -> Price:
        resources = sweep.definition.get("resources") or {}
        price = sweep.pool.price_per_hour
        return cls(
            int(resources.get("gpus") or 0), None if price is None else float(price)
        )

    def money(self, seconds: float) -> float | None:
        return None if self.per_hour is None else seconds / HOUR * self.per_hour

    def gpu_seconds(self, seconds: float) -> float:
        return seconds * self.gpus
