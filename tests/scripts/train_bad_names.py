"""Good reports, each beside names that cannot be stored: too long, or too many."""

from __future__ import annotations

import sys

import sweepsite_client as sweep

if sys.argv[1] == "long":
    for i in range(300):
        sweep.log(step=i, accuracy=1 - 1 / (i + 1), **{"n" * 400: 1})
else:
    for i in range(400):
        names = {f"epoch{i}/{part}": 0.5 for part in ("loss", "lr", "time")}
        sweep.log(step=i, accuracy=1 - 1 / (i + 1), **names)
