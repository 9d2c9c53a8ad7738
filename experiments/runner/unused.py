"""What trials shared on this host and nobody uses any more."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from experiments.runner.environment_room import DAY, limit_from, remove_unused
from experiments.runner.file_lock import FileLock
from experiments.runner.tools import ENVIRONMENTS_LIMIT

logger = logging.getLogger(__name__)


def clear_shared(
    home: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove environments and mirrors of repositories not used for so many days, and
    environments beyond the limit of disk that the worker's settings give them.

    What a trial uses at this moment stays. Returns what was removed.
    """
    environments = home / "environments"
    limit = limit_from(worker.get(ENVIRONMENTS_LIMIT, ""))
    removed = remove_unused(environments, days=days, limit=limit)
    for failure in environments.glob("*.failed"):
        failure.unlink(missing_ok=True)
    mirrors = sorted((home / "repositories").glob("*.git"))
    return removed + [mirror for mirror in mirrors if _remove_mirror(mirror, days)]


def _remove_mirror(mirror: Path, days: float) -> bool:
    """Its time is renewed at the beginning of every use, under the lock."""
    lock = FileLock(mirror.with_suffix(".lock"))
    try:
        if not lock.try_alone():
            return False
        if mirror.stat().st_mtime > time.time() - days * DAY:
            return False
        shutil.rmtree(mirror)
    except OSError as problem:
        logger.warning("%s could not be removed: %s", mirror, problem)
        return False
    finally:
        lock.close()
    return True
