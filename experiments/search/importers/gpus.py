"""GPUs that a foreign trial asks for."""

from __future__ import annotations

from experiments.search.importers.source import Log
from experiments.search.problems import shown


def note_gpus(log: Log, path: str, who: str, amount: object) -> None:
    """Say what becomes of GPUs that `who`, such as `A trial`, asks for."""
    log.left_out(
        path,
        f"{who} asks for GPUs: {shown(amount)}.",
        "Set resources.gpus, on a pool whose slots have GPUs.",
    )
