"""Reports a curve that approaches a height. Arguments: --height --reports --pause."""

from __future__ import annotations

import argparse
import time

import sweepsite_client as sweep
from witness import witness

parser = argparse.ArgumentParser()
parser.add_argument("--height", type=float, default=1.0)
parser.add_argument("--reports", type=int, default=5)
parser.add_argument("--pause", type=float, default=0.0)
arguments, _ = parser.parse_known_args()

witness("START")
for step in range(1, arguments.reports + 1):
    accuracy = arguments.height * (1 - 0.5**step)
    print(f"step {step} accuracy {accuracy:.4f}", flush=True)
    if sweep.log(step=step, accuracy=accuracy):
        break
    time.sleep(arguments.pause)
witness("END")
