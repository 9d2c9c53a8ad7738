"""The scripts' own account of what happened, written past the system under test."""

from __future__ import annotations

import os
import time


def witness(word: str) -> None:
    """Append a line to the file named by WITNESS, if there is one."""
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")
