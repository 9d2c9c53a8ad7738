"""Reports once, then raises."""

from __future__ import annotations

import os
import time

import sweepsite_client as sweep


def witness(word: str) -> None:
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")


witness("START")
sweep.log(step=0, loss=0.5)
raise SystemError("the optimiser fell over")
