"""Asked to stop by a reply, takes its time to save. Argument: seconds of saving."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import sweepsite_client as sweep
from witness import witness

saving = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
witness("START")
step = 0
while not sweep.log(step=step, loss=0.5):
    step += 1
    time.sleep(0.02)
witness("ASKED")
time.sleep(saving)
Path(sweep.outputs(), "checkpoint.txt").write_text(sweep.stop_reason())
witness("END")
