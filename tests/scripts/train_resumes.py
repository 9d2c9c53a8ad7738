"""Saves after every epoch and resumes from there. Arguments: epochs, pause, and the
epoch at which the first attempt crashes (0: none)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import sweepsite_client as sweep
from witness import witness

epochs, pause, crash = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
state = {"epoch": 0, "weights": []}
earlier = sweep.resume_from()
if earlier is not None:
    state = json.loads((earlier / "state.json").read_text())
print(f"begins at epoch {state['epoch']}", flush=True)
witness("START")
while state["epoch"] < epochs:
    if earlier is None and crash and state["epoch"] == crash:
        raise SystemExit("crashed as asked")
    state["epoch"] += 1
    state["weights"] = [state["epoch"]] * 20_000
    part = Path(sweep.outputs(), "state.part")
    part.write_text(json.dumps(state))
    part.replace(Path(sweep.outputs(), "state.json"))
    if sweep.log(step=state["epoch"], accuracy=state["epoch"] / epochs):
        break
    time.sleep(pause)
witness("END")
