"""Sweeps in a terminal: one line of progress, and watching until the end."""

from __future__ import annotations

import shutil
import time

from django.core.management.base import OutputWrapper
from django.db import close_old_connections

from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.sweeps.progress import Progress, progress_of

BAR = 20
POLL_SECONDS = 1.0
STATES = ("running", "queued", "completed", "terminated", "cancelled", "failed")


def progress_line(sweep: Sweep, progress: Progress) -> str:
    """Such as ``digits-3 running [####----] 8/20  2 running, 6 completed  best …``."""
    filled = round(BAR * progress.share)
    bar = "#" * filled + "-" * (BAR - filled)
    counts = progress.counts
    trials = ", ".join(
        f"{counts[s]} {TrialState(s).label.lower()}" for s in STATES if counts[s]
    )
    parts = [
        f"{sweep} {sweep.state} [{bar}] {progress.ended}/{sweep.max_total_trials}",
        trials,
        best_words(sweep, progress.best),
    ]
    return "  ".join(part for part in parts if part)


def best_words(sweep: Sweep, best: Trial | None) -> str:
    if best is None:
        return ""
    return f"best {sweep.primary_metric} {best.value:.6g} (trial {best.number})"


def watch(sweep: Sweep, out: OutputWrapper) -> Sweep:
    """Show the sweep's progress until it ends or pauses itself; in a file, one line per
    change."""
    drawn = ""
    while True:
        close_old_connections()
        sweep.refresh_from_db()
        line = progress_line(sweep, progress_of([sweep])[sweep.pk])
        if line != drawn:
            _draw(line, drawn, out)
            drawn = line
        if sweep.has_ended or has_paused_itself(sweep):
            if out.isatty():
                out.write("")
            return sweep
        time.sleep(POLL_SECONDS)


def has_paused_itself(sweep: Sweep) -> bool:
    """Whether the sweep has paused itself and waits for a user."""
    own = sweep.state == SweepState.PAUSED and sweep.reason not in ("", "user")
    return own and not sweep.trials.live().exists()


def _draw(line: str, before: str, out: OutputWrapper) -> None:
    if out.isatty():
        width = shutil.get_terminal_size().columns - 1
        out.write("\r" + line[:width].ljust(min(len(before), width)), ending="")
    else:
        out.write(line)
    out.flush()
