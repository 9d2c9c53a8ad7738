"""Ten thousand names of metrics, and then a good one."""

from __future__ import annotations

import sweepsite_client as sweep
from witness import witness

witness("START")
sweep.log(step=0, accuracy=0.5)
for block in range(10):
    sweep.log(step=block, **{f"m{block}_{n}": 0.5 for n in range(1_000)})
witness("END")
