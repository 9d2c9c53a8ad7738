"""Stands for Slurm's sbatch and its node: runs a batch script as one job, with the time
and the signal that it asks for, and kills what is left at the job's end.

    python -m tests.stand_in_sbatch --time=SECONDS SCRIPT [ARGUMENT ...]

A second is a second here; the script's own --time is not waited for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(limit: str, script: str, *arguments: str) -> int:
    seconds = float(limit.removeprefix("--time="))
    text = Path(script).read_text()
    asked = re.search(r"^#SBATCH --signal=B:TERM@(\d+)$", text, re.MULTILINE)
    assert asked is not None
    end = time.time() + seconds
    facts = {"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": str(int(end))}
    job = subprocess.Popen(
        ["bash", script, *arguments], env=os.environ | facts, start_new_session=True
    )
    # As scancel does.
    signal.signal(signal.SIGTERM, lambda *_: job.send_signal(signal.SIGTERM))
    if wait(job, end - min(float(asked[1]), seconds / 2)):
        # "B:" means the batch shell alone.
        job.send_signal(signal.SIGTERM)
    if wait(job, end):
        print("killed at the end of its time", flush=True)
        os.killpg(job.pid, signal.SIGKILL)
    return job.wait()


def wait(job: subprocess.Popen[bytes], until: float) -> bool:
    """Whether it still runs at that moment."""
    try:
        job.wait(max(0.0, until - time.time()))
    except subprocess.TimeoutExpired:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
