"""Diverges: one number, then NaN and both infinities."""

from __future__ import annotations

import math

import sweepsite_client as sweep
from witness import witness

witness("START")
for step, loss in enumerate([0.5, math.nan, math.inf, -math.inf]):
    sweep.log(step=step, loss=loss)
witness("END")
