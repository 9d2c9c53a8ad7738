"""Forks until it may no more, and leaves them all behind. Argument: at most so many."""

from __future__ import annotations

import os
import sys
import time

from witness import witness

witness("START")
for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 50):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
        os._exit(0)
os.fork()
raise SystemError("that was too many")
