"""Reports at a pace and writes down each report that was accepted. Arguments:
--reports --pause."""

from __future__ import annotations

import argparse
import time

import sweepsite_client as sweep
from witness import witness

parser = argparse.ArgumentParser()
parser.add_argument("--reports", type=int, default=5)
parser.add_argument("--pause", type=float, default=0.1)
arguments, _ = parser.parse_known_args()

witness("START")
for step in range(arguments.reports):
    stop = sweep.log(step=step, accuracy=step / 10)
    witness(f"POINT-{step}")
    if stop:
        break
    time.sleep(arguments.pause)
witness("END")
