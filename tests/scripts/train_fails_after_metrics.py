"""Good numbers, and then exit code 3."""

from __future__ import annotations

import sys

import sweepsite_client as sweep
from witness import witness

witness("START")
for step in range(3):
    sweep.log(step=step, accuracy=0.9)
sys.exit(3)
