"""RQ's entry point on a worker: claim one attempt and let a runner process have it.

This runs in the work-horse that RQ forks. It speaks HTTP only and never the database.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from types import FrameType

from django.conf import settings

from experiments.runner.site import Site, StaleAttempt


def run_attempt(attempt_id: int) -> None:
    """Claim the attempt; if it is to be had, start its runner and wait for its end.

    A job that comes twice or too late is refused by the site, and nothing happens.
    """
    site = Site(settings.SITE_URL, settings.WORKER_TOKEN)
    claim = {
        "worker": int(os.environ["SWEEPSITE_WORKER_ID"]),
        "slot": int(os.environ["SWEEPSITE_SLOT"]),
    }
    try:
        spec = site.post(f"/attempts/{attempt_id}/claim", claim)
    except StaleAttempt:
        return
    _run(json.dumps(spec).encode())


def _run(spec: bytes) -> None:
    """Start the runner, hand it its order, pass on SIGTERM, and wait."""
    runner = subprocess.Popen(
        [sys.executable, "-m", "experiments.runner"],
        stdin=subprocess.PIPE,
        cwd=settings.BASE_DIR,
    )

    def pass_on(signum: int, frame: FrameType | None) -> None:
        runner.terminate()

    signal.signal(signal.SIGTERM, pass_on)
    runner.communicate(spec)
