"""Says nothing and never ends."""

from __future__ import annotations

import time

from witness import witness

witness("START")
time.sleep(600)
witness("END")
