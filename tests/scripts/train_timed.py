"""Reports at a pace and writes down for how long it has run, by a clock that nobody
sets. Arguments: --reports --pause."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import sweepsite_client as sweep
from witness import witness


def age() -> float:
    """Seconds since this process began, as the kernel counts them."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2]
    began = int(after_name.split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


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
witness(f"TOOK-{age():.3f}")
witness("END")
