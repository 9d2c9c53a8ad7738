"""Leaves many dead orphans to their new parent. Arguments: how many, seconds."""

from __future__ import annotations

import os
import sys
import time

from witness import witness

witness("START")
for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 100):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
witness("END")
