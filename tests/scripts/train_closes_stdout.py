"""Closes its output and works on in silence. Argument: seconds."""

from __future__ import annotations

import os
import sys
import time


def witness(word: str) -> None:
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")


witness("START")
sys.stdout.flush()
os.close(1)
os.close(2)
time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3)
witness("END")
