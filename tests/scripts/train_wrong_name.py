"""Reports under unknown names, and one that is far too long."""

from __future__ import annotations

import sweepsite_client as sweep
from witness import witness

witness("START")
sweep.log(step=0, Accuracy=0.5, acc=0.5)
sweep.log(step=1, **{"x" * 1_000_000: 0.5})
witness("END")
