"""A host's row: who it is, what its slots do, whether it was busy, and the way out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from experiments.models import Worker
from experiments.models.pools import SILENT_AFTER
from experiments.pages.pools.busy import Busy
from experiments.pages.pools.cells import Cell
from experiments.words import bytes_text

# Less free disk than this is told, in bytes.
LITTLE_DISK = 5e9


@dataclass(frozen=True)
class Host:
    """One worker's row."""

    worker: Worker
    cells: Sequence[Cell]
    busy: Busy
    silent: bool

    @property
    def draining(self) -> bool:
        return self.worker.draining_since is not None

    @property
    def state(self) -> str:
        """The name of the row's glyph, and of how it is drawn."""
        return "failed" if self.silent else "paused" if self.draining else "completed"

    @property
    def state_words(self) -> str:
        words = {"failed": "silent", "paused": "draining", "completed": "takes trials"}
        return words[self.state]

    @property
    def busy_slots(self) -> int:
        return sum(cell.span for cell in self.cells if cell.kind in ("own", "other"))

    @property
    def usable(self) -> int:
        """Slots that take trials, now or when what runs in them has ended."""
        return 0 if self.silent or self.draining else self.worker.slots

    @property
    def empty(self) -> bool:
        """Whether nothing runs there any more."""
        return all(cell.kind in ("free", "closed") for cell in self.cells)

    @property
    def drain_words(self) -> str:
        """What follows the time since which it drains: the reason, and a full stop."""
        reason = self.worker.drain_reason.strip()
        said = f": {reason}" if reason else ""
        return said if said.endswith((".", "!", "?")) else f"{said}."

    @property
    def lost(self) -> Sequence[Cell]:
        """What ran there when it fell silent, as far as the viewer may see it."""
        return [cell for cell in self.cells if cell.kind == "silent" and cell.seconds]

    @property
    def facts(self) -> str:
        """``4 slots, 8 cores, 31 GB``, or ``2 slots, 2 A4000``."""
        return ", ".join(_facts(self.worker))


def is_silent(worker: Worker, now: datetime) -> bool:
    return worker.seen_at < now - SILENT_AFTER


def _facts(worker: Worker) -> Iterator[str]:
    yield "1 slot" if worker.slots == 1 else f"{worker.slots} slots"
    gpus = [str(device.get("name") or "GPU") for device in worker.gpus]
    yield from (
        f"{n} \N{MULTIPLICATION SIGN} {name}" for name, n in Counter(gpus).items()
    )
    if worker.gpus and worker.gpus_per_slot != 1:
        yield f"{worker.gpus_per_slot} a slot"
    cores = number(worker.facts, "cpus")
    if cores:
        yield "1 core" if cores == 1 else f"{cores:.0f} cores"
    if memory := number(worker.facts, "memory"):
        yield bytes_text(memory)
    if 0 < (free := number(worker.facts, "disk_free")) < LITTLE_DISK:
        yield f"only {bytes_text(free)} of disk left"


def number(facts: Mapping[str, object], name: str) -> float:
    """What the host told under a name; 0 for anything that is no number."""
    value = facts.get(name) if isinstance(facts, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return 0.0
