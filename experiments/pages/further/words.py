"""When a trial that somebody asked for will run."""

from __future__ import annotations

from experiments.models import Sweep
from experiments.models.sweeps import SweepState


def when_words(sweep: Sweep) -> str:
    if sweep.state == SweepState.PAUSED:
        return "when the sweep is resumed"
    if not sweep.launches:
        return "when a process asks for the next trial"
    return "as soon as a slot is free"
