"""Goes on whatever it is asked: deaf to replies and to SIGTERM."""

from __future__ import annotations

import signal
import time

import sweepsite_client as sweep
from witness import witness

signal.signal(signal.SIGTERM, signal.SIG_IGN)
witness("START")
step = 0
while True:
    sweep.log(step=step, loss=0.5)
    step += 1
    time.sleep(0.05)
