"""What a worker sends about itself and its host when it signs on and at heartbeats."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Schema
from pydantic import AfterValidator, Field

from experiments.api.errors import ApiError
from experiments.models import Worker

# More devices than any host has.
MAX_GPUS = 1_024
Index = Annotated[int, Field(ge=0, lt=2**31)]
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
# No database keeps NUL in a text.
WITHOUT_NUL = AfterValidator(lambda text: text.replace("\0", ""))


class GpuIn(Schema):
    index: Index
    name: Annotated[str, Field(max_length=100), WITHOUT_NUL] = ""
    memory: Bytes | None = None


class FactsIn(Schema):
    """Processors, memory and free disk space, in bytes; what is unknown is left out."""

    cpus: Annotated[int, Field(ge=0, le=100_000)] | None = None
    memory: Bytes | None = None
    disk_free: Bytes | None = None


class HelloIn(Schema):
    name: Annotated[str, Field(min_length=1, max_length=100), WITHOUT_NUL]
    host: Annotated[str, Field(max_length=100), WITHOUT_NUL]
    boot_id: Annotated[str, Field(max_length=64), WITHOUT_NUL] = ""
    pid: Index
    slots: Annotated[int, Field(ge=1, le=1_000)]
    gpus: Annotated[list[GpuIn], Field(max_length=MAX_GPUS)] = []
    gpus_per_slot: Annotated[int, Field(ge=1, le=MAX_GPUS)] = 1
    facts: FactsIn = FactsIn()
    version: Annotated[str, Field(max_length=30), WITHOUT_NUL] = ""
    python: Annotated[str, Field(max_length=30), WITHOUT_NUL] = ""

    def columns(self) -> dict[str, Any]:
        """The columns of its Worker, but for the name."""
        values: dict[str, Any] = self.dict(exclude={"name"})
        return {**values, "facts": known(values["facts"])}

    def check_devices(self) -> None:
        """Refuse one whose slots need more GPUs than it has."""
        needed = self.slots * self.gpus_per_slot
        if self.gpus and needed > len(self.gpus):
            raise ApiError(
                422,
                "too_few_gpus",
                f"{self.slots} slots of {self.gpus_per_slot} GPUs need {needed}, but"
                f" the host has {len(self.gpus)}. Start it with fewer --slots.",
            )
        if len({gpu.index for gpu in self.gpus}) < len(self.gpus):
            raise ApiError(422, "same_gpu_twice", "A GPU is listed more than once.")


class WorkerBeatIn(Schema):
    worker: int
    disk_free: Bytes | None = None


def known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def renewed_facts(worker: Worker, beat: WorkerBeatIn) -> dict[str, Any]:
    """The facts of a worker with the new ones of its heartbeat."""
    return {**worker.facts, **known({"disk_free": beat.disk_free})}
