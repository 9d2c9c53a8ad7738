"""Goes on whatever it is asked: deaf to replies and to SIGTERM."""

from __future__ import annotations

import os
import signal
import time

import sweepsite_client as sweep


def witness(word: str) -> None:
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")


signal.signal(signal.SIGTERM, signal.SIG_IGN)
witness("START")
step = 0
while True:
    sweep.log(step=step, loss=0.5)
    step += 1
    time.sleep(0.05)
