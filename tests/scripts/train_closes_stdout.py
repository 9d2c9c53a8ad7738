"""Closes its output and works on in silence. Argument: seconds."""

from __future__ import annotations

import os
import sys
import time

from witness import witness

witness("START")
sys.stdout.flush()
os.close(1)
os.close(2)
time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3)
witness("END")
