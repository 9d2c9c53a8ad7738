"""Prints its arguments as JSON."""

from __future__ import annotations

import json
import os
import sys
import time


def witness(word: str) -> None:
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")


witness("START")
print(json.dumps(sys.argv[1:]))
witness("END")
