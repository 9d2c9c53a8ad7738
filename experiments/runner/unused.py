"""What trials shared on this host and nobody uses any more."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.environment_room import (
    DAY,
    USUAL_LIMIT,
    bytes_from,
    remove_unused,
)
from experiments.runner.file_lock import removed_alone
from experiments.runner.tools import ENVIRONMENTS_LIMIT, RESUME_LIMIT

logger = logging.getLogger(__name__)

USUAL_RESUME_LIMIT = 20 << 30
# In seconds: longer than one file takes from its arrival to its copy for the trial.
SETTLES = 600.0
# In seconds: longer than a failed build speaks for the next ones.
FAILURES_STAY = 600.0


@dataclass(frozen=True)
class CachedFile:
    """One file, its last use (Unix time) and size in bytes."""

    path: Path
    used_at: float
    size: int


def clear_shared(
    home: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove environments and mirrors of repositories not used for so many days, and
    environments beyond the limit of disk that the worker's settings give them.

    What a trial uses at this moment stays. Returns what was removed.
    """
    environments = home / "environments"
    limit = bytes_from(worker, ENVIRONMENTS_LIMIT, usual=USUAL_LIMIT)
    removed = remove_unused(environments, days=days, limit=limit)
    for failure in environments.glob("*.failed"):
        with contextlib.suppress(OSError):
            if failure.stat().st_mtime < time.time() - FAILURES_STAY:
                failure.unlink()
    mirrors = sorted((home / "repositories").glob("*.git"))
    return removed + [mirror for mirror in mirrors if _remove_mirror(mirror, days)]


def clear_resume(
    cache: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove files of earlier attempts not used for so many days, then the longest
    unused until the rest fits the limit that the worker's settings give them.

    What was used in the last minutes stays: a trial may have just fetched it, or be
    about to fetch the rest. Returns what was removed.
    """
    now = time.time()
    files = sorted(_files(cache), key=lambda file: file.used_at)
    size = sum(file.size for file in files)
    limit = bytes_from(worker, RESUME_LIMIT, usual=USUAL_RESUME_LIMIT)
    removed = []
    for file in files:
        is_old = file.used_at < now - days * DAY
        if file.used_at > now - SETTLES or not (is_old or size > limit):
            continue
        with contextlib.suppress(OSError):
            file.path.unlink()
            removed.append(file.path)
            size -= file.size
    return removed


def _files(folder: Path) -> Iterator[CachedFile]:
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError):
            seen = path.lstat()
            yield CachedFile(path, seen.st_mtime, seen.st_size)


def _remove_mirror(mirror: Path, days: float) -> bool:
    """Its time is renewed at the beginning of every use, under the lock."""

    def remove() -> bool:
        if mirror.stat().st_mtime > time.time() - days * DAY:
            return False
        # Without it it is none, also when the rest cannot be removed now.
        (mirror / "HEAD").unlink(missing_ok=True)
        shutil.rmtree(mirror)
        return True

    return removed_alone(mirror, remove)
