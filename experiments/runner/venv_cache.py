"""Removes what trials share on this host once it is unused or beyond its limit:
environments, repositories, code and earlier outputs."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.environment import (
    CODE_LIMIT,
    ENVIRONMENTS_LIMIT,
    REPOSITORIES_LIMIT,
    RESUME_LIMIT,
)
from experiments.runner.file_lock import FileLock, in_use_lock, removed_alone

logger = logging.getLogger(__name__)

# Written last: an environment without it was never finished. Renewed at every use.
MARK = "sweepsite.json"
USUAL_LIMIT = 20 * 10**9
DAY = 24 * 3600.0


Show = Callable[[], None]

USUAL_RESUME_LIMIT = 20 * 10**9
USUAL_CODE_LIMIT = 10 * 10**9
USUAL_REPOSITORIES_LIMIT = 20 * 10**9
# In seconds: longer than a file needs from its download to its copy for the trial.
MIN_UNUSED = 600.0
# In seconds: longer than a failed build counts for the next ones.
FAILURES_STAY = 600.0


def no_heartbeat() -> None:
    """For a process without an attempt."""


@dataclass(frozen=True)
class Cached:
    """One file or folder, its last use (Unix time) and size in bytes."""

    path: Path
    used_at: float
    size: int


def bytes_from(worker: Mapping[str, str], name: str, *, usual: int) -> int:
    """The limit in bytes that a worker's environment sets; the usual one without a
    setting and, with a warning, for one that is not a number."""
    text = worker.get(name, "")
    if text.isascii() and text.isdecimal():
        return int(text)
    if text:
        logger.warning(
            "%s is %r; it must be a number of bytes, such as 20000000000",
            *(name, text),
        )
    return usual


def remove_unused(
    root: Path,
    *,
    days: float,
    limit: int,
    keep: Path | None = None,
    show: Show = no_heartbeat,
) -> list[Path]:
    """Remove environments that are unfinished or were not used for `days`, then the
    least recently used until the rest fits the limit; never `keep`, nor one that a
    trial uses or builds now. Returns what was removed.

    Calls `show` often, also while it measures and removes large folders.
    """
    unfinished = [each for each in _folders(root) if not (each / MARK).exists()]
    removed = [folder for folder in unfinished if _remove(folder, show)]
    return removed + _clear(
        list(_environments(root, show)),
        days=days,
        limit=limit,
        min_unused=0.0,
        remove=lambda each: each.path != keep and _remove(each.path, show),
    )


def size_of(folder: Path, show: Show = no_heartbeat) -> int:
    """Bytes of the files below a folder; links are not followed."""
    size = 0
    for parent, _, names in os.walk(folder):
        show()
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(parent, name)).st_size
    return size


def _folders(root: Path) -> list[Path]:
    try:
        found = list(root.iterdir())
    except OSError:
        return []
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _environments(root: Path, show: Show) -> Iterator[Cached]:
    """Every finished environment."""
    for folder in _folders(root):
        with contextlib.suppress(OSError):
            mark = folder / MARK
            used_at = mark.stat().st_mtime
            yield Cached(folder, used_at, _noted_size(mark) or size_of(folder, show))


def _noted_size(mark: Path) -> int:
    """The size after the build, which never changes; 0 if it was not noted."""
    try:
        return int(json.loads(mark.read_text())["bytes"])
    except (ValueError, KeyError, TypeError):
        return 0


def _remove(folder: Path, show: Show) -> bool:
    """Remove it unless it is in use or being built."""

    def remove() -> bool:
        # Without its mark it does not count, even if the rest cannot be removed now.
        (folder / MARK).unlink(missing_ok=True)
        remove_tree(folder, show=show)
        return True

    return removed_alone(folder, remove)


def remove_tree(folder: Path, *, show: Show) -> None:
    """Remove a folder and its content without following links; calls `show` often.

    Raises OSError, and what `show` raises.
    """
    if folder.is_symlink():
        raise OSError(f"{folder} is a link")
    for parent, folders, names in os.walk(folder, topdown=False):
        for name in names:
            os.unlink(os.path.join(parent, name))
            show()
        for name in folders:
            path = os.path.join(parent, name)
            (os.unlink if os.path.islink(path) else os.rmdir)(path)
            show()
    os.rmdir(folder)


def clear_shared(
    home: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove environments and mirrors of repositories that were not used for `days` or
    are beyond the worker's limits. What a trial uses now stays.

    Returns what was removed.
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
    """Remove archives of code, like `clear_resume`."""
    limit = bytes_from(worker, CODE_LIMIT, usual=USUAL_CODE_LIMIT)
    return _clear(list(_files(cache)), days=days, limit=limit, remove=_unlink)


def clear_resume(
    cache: Path, *, days: float, worker: Mapping[str, str] = os.environ
) -> list[Path]:
    """Remove files of earlier attempts that were not used for `days`, then the least
    recently used until the rest fits the worker's limit.

    What was used in the last minutes stays: a trial may just have fetched it. Returns
    what was removed.
    """
    limit = bytes_from(worker, RESUME_LIMIT, usual=USUAL_RESUME_LIMIT)
    return _clear(list(_files(cache)), days=days, limit=limit, remove=_unlink)


def _clear(
    found: Sequence[Cached],
    *,
    days: float,
    limit: int,
    remove: Callable[[Cached], bool],
    min_unused: float = MIN_UNUSED,
) -> list[Path]:
    """Remove what is too old, then the least recently used until the rest fits."""
    now = time.time()
    size = sum(each.size for each in found)
    removed = []
    for each in sorted(found, key=lambda each: each.used_at):
        is_old = each.used_at < now - days * DAY
        if each.used_at > now - min_unused or not (is_old or size > limit):
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
    """Mirrors of repositories; every use renews their time."""
    for mirror in sorted(folder.glob("*.git")):
        with contextlib.suppress(OSError):
            yield Cached(mirror, mirror.stat().st_mtime, size_of(mirror))


def _unlink(file: Cached) -> bool:
    """Remove it, unless it was used meanwhile."""
    try:
        if file.path.lstat().st_mtime > file.used_at:
            return False
        file.path.unlink()
    except OSError:
        return False
    return True


def _remove_mirror(mirror: Cached) -> bool:
    """Remove it, unless a trial uses it or has used it meanwhile."""
    folder = mirror.path

    def remove() -> bool:
        use = FileLock(in_use_lock(folder))
        try:
            if not use.try_alone() or folder.stat().st_mtime > mirror.used_at:
                return False
            # Without HEAD it does not count, even if the rest cannot be removed now.
            (folder / "HEAD").unlink(missing_ok=True)
            shutil.rmtree(folder)
        finally:
            use.close()
        return True

    return removed_alone(folder, remove)
