"""Does everything right: reports, listens, leaves a model. Arguments: steps, pause."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import sweepsite_client as sweep
from witness import witness

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3
pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
witness("START")
for step in range(steps):
    if sweep.log(step=step, loss=1.0 / (step + 1), accuracy=step / steps):
        break
    time.sleep(pause)
Path(sweep.outputs(), "model.txt").write_text("weights\n")
print("trained")
witness("END")
