"""Dies by SIGKILL, as at the hands of the kernel when memory runs out."""

from __future__ import annotations

import os
import signal

from witness import witness

witness("START")
print("about to go", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
