"""Dies by SIGKILL, as at the hands of the kernel when memory runs out."""

from __future__ import annotations

import os
import signal
import time


def witness(word: str) -> None:
    if path := os.environ.get("WITNESS"):
        attempt = os.environ.get("SWEEPSITE_ATTEMPT", "-")
        with open(path, "a") as file:
            file.write(f"{word} {attempt} {os.getpid()} {time.time()}\n")


witness("START")
print("about to go", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
