"""Its numbers diverge: NaN, infinities, a minus zero, the largest there are."""

from __future__ import annotations

import math
import sys

import sweepsite_client as sweep
from witness import witness

witness("START")
largest = sys.float_info.max
for step, value in enumerate((0.5, math.nan, math.inf, -math.inf, -0.0, largest)):
    sweep.log(step=step, accuracy=value)
witness("END")
