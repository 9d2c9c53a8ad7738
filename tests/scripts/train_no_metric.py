"""Succeeds without a single metric."""

from __future__ import annotations

import os
import time


def witness(word: str) -> None:
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")


witness("START")
print("all went well, said nobody")
witness("END")
