"""GPUs that a foreign trial asks for."""

from __future__ import annotations

from experiments.search.fields import Fields
from experiments.search.importers.source import Log
from experiments.search.limits import read_resources
from experiments.search.problems import Findings, shown


def note_gpus(log: Log, path: str, who: str, amount: object) -> None:
    """Say what becomes of GPUs that `who`, such as `A trial`, asks for."""
    findings = Findings()
    read_resources(Fields({"gpus": 1}, "", findings))
    can = not findings.problems
    log.left_out(
        path,
        f"{who} asks for GPUs: {shown(amount)}."
        + ("" if can else " Which ones it sees is up to its worker."),
        "Set resources.gpus, on a pool whose slots have GPUs."
        if can
        else "Start workers on machines with GPUs, as many slots as they can serve.",
    )
