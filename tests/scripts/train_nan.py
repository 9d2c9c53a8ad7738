"""Diverges: one number, then NaN and both infinities."""

from __future__ import annotations

import math
import os
import time

import sweepsite_client as sweep


def witness(word: str) -> None:
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")


witness("START")
for step, loss in enumerate([0.5, math.nan, math.inf, -math.inf]):
    sweep.log(step=step, loss=loss)
witness("END")
