"""Saves when SIGTERM comes and leaves with exit code 0."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType

import sweepsite_client as sweep
from witness import witness


def save(_signal: int, _frame: FrameType | None) -> None:
    witness("ASKED")
    Path(sweep.outputs(), "checkpoint.txt").write_text(sweep.stop_reason())
    witness("END")
    sys.exit(0)


signal.signal(signal.SIGTERM, save)
witness("START")
time.sleep(600)
