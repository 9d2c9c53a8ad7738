"""Clears a worker's home now and then, while trials run.

In a process of its own: a disk that is slow or holds much must delay no sign of life.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from experiments.runner import janitor, kernel

MODULE = "experiments.runner.housekeeping"
logger = logging.getLogger(MODULE)

PROJECT = Path(__file__).resolve().parent.parent.parent
EVERY = 3600.0
# Of the processor, trials have the first right.
NICENESS = 10


class Housekeeping:
    """What the parent of a host's slots does for it: start, and look whether it ended.
    No call waits for anything, but for a short while the last one."""

    def __init__(self, home: Path, *, every: float = EVERY) -> None:
        self._home = home
        self._every = every
        self._due = time.monotonic() + every
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start a round when one is due and the last one has ended."""
        if time.monotonic() < self._due or self._is_busy():
            return
        self._due = time.monotonic() + self._every
        argv = [sys.executable, "-m", MODULE, "--home", str(self._home.absolute())]
        try:
            self._process = subprocess.Popen(
                [*argv, "--parent", str(os.getpid())],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as problem:
            logger.warning("the worker's home could not be cleared: %s", problem)

    def stop(self) -> None:
        """End a round under way. Whatever it was about to remove is of no use, or
        whole."""
        if self._process is not None and self._is_busy():
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1.0)

    def _is_busy(self) -> bool:
        return self._process is not None and self._process.poll() is None


def main() -> int:
    """One round, at the lowest claim to the processor."""
    parser = argparse.ArgumentParser(prog=MODULE, description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    kernel.die_with_parent(signal.SIGTERM)
    if not kernel.parent_is(arguments.parent):
        return 0
    os.nice(NICENESS)
    if removed := janitor.clear(arguments.home):
        logger.info("removed %d unused files and folders", len(removed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
