"""Reports, prints and keeps a file of random bytes at each step, and writes down each
report that was accepted. Arguments: --reports --pause --kilobytes --lines."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import sweepsite_client as sweep
from witness import witness

parser = argparse.ArgumentParser()
parser.add_argument("--reports", type=int, default=5)
parser.add_argument("--pause", type=float, default=0.1)
parser.add_argument("--kilobytes", type=int, default=64)
parser.add_argument("--lines", type=int, default=10)
arguments, _ = parser.parse_known_args()

witness("START")
for step in range(arguments.reports):
    content = os.urandom(arguments.kilobytes << 10)
    Path(sweep.outputs(), f"weights-{step}.bin").write_bytes(content)
    print(f"step {step}\n" * arguments.lines, flush=True)
    sweep.log(step=step, accuracy=step / 10)
    witness(f"POINT-{step}")
    time.sleep(arguments.pause)
witness("END")
