"""Prints every byte there is: NUL, escapes, no valid text."""

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
sys.stdout.buffer.write(bytes(range(256)))
sys.stdout.flush()
witness("END")
