"""A trial of one second that does nothing but wait, and says what it has cost so far.

Arguments: seconds. WITNESS names the file of its account: a JSON line at each end.
"""

from __future__ import annotations

import time

# Before the other imports, which are a part of what a trial costs.
started = time.time()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import sweepsite_client as sweep  # noqa: E402


def cpu_seconds(pid: int) -> float:
    """Of a living process by itself; what it waited for is not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


sweep.log(step=0, accuracy=0.5)
time.sleep(float(sys.argv[1]))
sweep.log(step=1, accuracy=1.0)
runner = os.getppid()
account = {
    "slot": os.environ["SWEEPSITE_SLOT"],
    "started": started,
    "script": time.process_time(),
    "runner": cpu_seconds(runner),
    "horse": cpu_seconds(parent_of(runner)),
    "ended": time.time(),
}
with open(os.environ["WITNESS"], "a") as file:
    file.write(json.dumps(account) + "\n")
