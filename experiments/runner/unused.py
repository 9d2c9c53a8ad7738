"""What trials shared on this host and nobody uses any more."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.environment_room import (
    DAY,
    USUAL_LIMIT,
    bytes_from,
    remove_unused,
    size_of,
)
from experiments.runner.file_lock import FileLock, in_use_lock, removed_alone
from experiments.runner.tools import (
    CODE_LIMIT,
    ENVIRONMENTS_LIMIT,
    REPOSITORIES_LIMIT,
    RESUME_LIMIT,
)

USUAL_RESUME_LIMIT = 20 << 30
USUAL_CODE_LIMIT = 10 << 30
USUAL_REPOSITORIES_LIMIT = 20 << 30
# In seconds: longer than one file takes from its arrival to its copy for the trial.
SETTLES = 600.0
# In seconds: longer than a failed build speaks for the next ones.
FAILURES_STAY = 600.0


@dataclass(frozen=True)
class Cached:
    """One file or folder, its last use (Unix time) and size in bytes."""

    path: Path
    used_at: float
    size: int


def clear_shared(
    home: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove environments and mirrors of repositories not used for so many days, and
    those beyond the limits of disk that the worker's settings give them.

    What a trial uses at this moment stays. Returns what was removed.
    """
    environments = home / "environments"
    limit = bytes_from(worker, ENVIRONMENTS_LIMIT, usual=USUAL_LIMIT)
    removed = remove_unused(environments, days=days, limit=limit)
    for failure in environments.glob("*.failed"):
        with contextlib.suppress(OSError):
            if failure.stat().st_mtime < time.time() - FAILURES_STAY:
                failure.unlink()
    limit = bytes_from(worker, REPOSITORIES_LIMIT, usual=USUAL_REPOSITORIES_LIMIT)
    mirrors = list(_mirrors(home / "repositories"))
    return removed + _clear(mirrors, days=days, limit=limit, remove=_remove_mirror)


def clear_code(
    cache: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove archives of code as `clear_resume` removes files."""
    limit = bytes_from(worker, CODE_LIMIT, usual=USUAL_CODE_LIMIT)
    return _clear(list(_files(cache)), days=days, limit=limit, remove=_unlink)


def clear_resume(
    cache: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove files of earlier attempts not used for so many days, then the longest
    unused until the rest fits the limit that the worker's settings give them.

    What was used in the last minutes stays: a trial may have just fetched it, or be
    about to fetch the rest. Returns what was removed.
    """
    limit = bytes_from(worker, RESUME_LIMIT, usual=USUAL_RESUME_LIMIT)
    return _clear(list(_files(cache)), days=days, limit=limit, remove=_unlink)


def _clear(
    found: Sequence[Cached],
    *,
    days: float,
    limit: int,
    remove: Callable[[Cached], bool],
) -> list[Path]:
    """Remove what is too old, then the longest unused until the rest fits the limit."""
    now = time.time()
    size = sum(each.size for each in found)
    removed = []
    for each in sorted(found, key=lambda each: each.used_at):
        is_old = each.used_at < now - days * DAY
        if each.used_at > now - SETTLES or not (is_old or size > limit):
            continue
        if remove(each):
            removed.append(each.path)
            size -= each.size
    return removed


def _files(folder: Path) -> Iterator[Cached]:
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError):
            seen = path.lstat()
            yield Cached(path, seen.st_mtime, seen.st_size)


def _mirrors(folder: Path) -> Iterator[Cached]:
    """Their time is renewed at the beginning of every use."""
    for mirror in sorted(folder.glob("*.git")):
        with contextlib.suppress(OSError):
            yield Cached(mirror, mirror.stat().st_mtime, size_of(mirror))


def _unlink(file: Cached) -> bool:
    """Remove it, unless it was used since it was seen."""
    try:
        if file.path.lstat().st_mtime > file.used_at:
            return False
        file.path.unlink()
    except OSError:
        return False
    return True


def _remove_mirror(mirror: Cached) -> bool:
    """Remove it, unless a trial fetches into it or reads it, or has since it was
    seen."""
    folder = mirror.path

    def remove() -> bool:
        use = FileLock(in_use_lock(folder))
        try:
            if not use.try_alone() or folder.stat().st_mtime > mirror.used_at:
                return False
            # Without it it is none, also when the rest cannot be removed now.
            (folder / "HEAD").unlink(missing_ok=True)
            shutil.rmtree(folder)
        finally:
            use.close()
        return True

    return removed_alone(folder, remove)
