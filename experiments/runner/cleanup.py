"""Removes what dead runners have left: processes by their marker, folders by age.

A worker calls this when a slot starts again or the site names lost attempts. It finds
processes only with /proc (Linux). `Housekeeping` clears the worker's home while trials
run, in another process, so that a slow disk does not delay heartbeats.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from experiments.runner import signals
from experiments.runner.environment import (
    ATTEMPT_MARKER,
    SLOT_MARKER,
    SPOOL,
    without_secrets,
)
from experiments.runner.folder import AttemptFolder
from experiments.runner.launch import RUN_AS, become
from experiments.runner.processes import environment_of, kill_if, marked
from experiments.runner.resume import CACHE
from experiments.runner.spec import SAFE_ID
from experiments.runner.venv_cache import clear_code, clear_resume, clear_shared

logger = logging.getLogger(__name__)

MAX_KILL_SECONDS = 5.0
DAY = 24 * 3600.0

MODULE = "experiments.runner.cleanup"

PROJECT = Path(__file__).resolve().parent.parent.parent
EVERY = 3600.0
# Trials get the processor first.
NICENESS = 10


def kill_attempts(attempts: Collection[str | int], *, home: Path) -> int:
    """SIGKILL every process of these attempts; returns how many there were.

    Only processes of this worker's home count: another site's attempts on the same host
    may have the same numbers. Raises TimeoutError if some cannot be killed.
    """
    spools = {
        str(AttemptFolder.of(home, str(attempt)).spool): str(attempt)
        for attempt in attempts
    }

    def belongs(environment: Mapping[str, str]) -> bool:
        attempt = spools.get(environment.get(SPOOL, ""))
        return attempt is not None and environment.get(ATTEMPT_MARKER) == attempt

    return _kill_all(belongs)


def kill_slot(slot: str, *, home: Path) -> int:
    """SIGKILL every process of this slot's attempts, like kill_attempts."""
    within = f"{home.absolute() / 'attempts'}{os.sep}"

    def belongs(environment: Mapping[str, str]) -> bool:
        return (
            ATTEMPT_MARKER in environment
            and environment.get(SLOT_MARKER) == slot
            and environment.get(SPOOL, "").startswith(within)
        )

    return _kill_all(belongs)


def remove_attempt(attempt: str | int, *, home: Path) -> None:
    """Remove a lost attempt's folder. Raises ValueError for an invalid id."""
    if not SAFE_ID.fullmatch(str(attempt)):
        raise ValueError(f"{attempt!r} is not an attempt id")
    AttemptFolder.of(home, str(attempt)).discard()


def clear(
    home: Path,
    *,
    attempts_days: float = 7.0,
    code_days: float = 30.0,
    resume_days: float = 1.0,
) -> list[Path]:
    """Remove attempt folders and cached files that were not used for so long, and what
    is beyond the worker's limits; never what a living attempt uses."""
    removed = []
    for folder in _older(home / "attempts", attempts_days):
        AttemptFolder(folder).discard()
        removed.append(folder)
    removed += clear_code(home / "code", days=code_days)
    removed += clear_resume(home / CACHE, days=resume_days)
    return removed + clear_shared(home, days=code_days)


def _older(folder: Path, days: float) -> list[Path]:
    limit = time.time() - days * DAY
    return [path for path in sorted(_there(folder)) if _used_at(path) < limit]


def _there(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _used_at(path: Path) -> float:
    """The file's time; one that has gone meanwhile counts as just used."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return math.inf


def _kill_all(belongs: Callable[[Mapping[str, str]], bool]) -> int:
    """Kill until none is found: a dying tree may still have forked."""
    deadline = time.monotonic() + MAX_KILL_SECONDS
    killed: set[int] = set()
    while found := marked(ATTEMPT_MARKER, belongs):
        for pid in found:
            if kill_if(pid, lambda pid=pid: belongs(environment_of(pid))):  # type: ignore[misc]
                killed.add(pid)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {found} cannot be killed")
        time.sleep(0.005)
    if killed:
        logger.warning("killed %d processes of a dead runner", len(killed))
    return len(killed)


class Housekeeping:
    """Starts the cleanup process of a worker now and then. Only `stop` waits,
    briefly."""

    def __init__(self, home: Path, *, every: float = EVERY) -> None:
        self._home = home
        self._every = every
        self._due = time.monotonic() + every
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start a round if one is due and the last one has ended."""
        if time.monotonic() < self._due or self._is_busy():
            return
        self._due = time.monotonic() + self._every
        argv = [sys.executable, "-m", MODULE, "--home", str(self._home.absolute())]
        try:
            self._process = subprocess.Popen(
                [*argv, "--parent", str(os.getpid())],
                cwd=PROJECT,
                env=without_secrets(os.environ),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as problem:
            logger.warning("the worker's home could not be cleared: %s", problem)

    def stop(self) -> None:
        """End the current round; it leaves nothing in a broken state."""
        if self._process is not None and self._is_busy():
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1.0)

    def _is_busy(self) -> bool:
        return self._process is not None and self._process.poll() is None


def main() -> int:
    """One round, at low priority."""
    parser = argparse.ArgumentParser(prog=MODULE, description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if user := os.environ.get(RUN_AS):
        # Links of that user must not lead root elsewhere.
        become(user)
    signals.die_with_parent(signal.SIGTERM)
    if not signals.parent_is(arguments.parent):
        return 0
    os.nice(NICENESS)
    if removed := clear(arguments.home):
        logger.info("removed %d unused files and folders", len(removed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
