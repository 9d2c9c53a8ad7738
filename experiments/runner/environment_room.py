"""How much disk the shared environments take, and which of them go."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.file_lock import FileLock

logger = logging.getLogger(__name__)

# Written last: an environment without it was never finished. Renewed at every use.
MARK = "sweepsite.json"
USUAL_LIMIT = 20 << 30
DAY = 24 * 3600.0


@dataclass(frozen=True)
class Kept:
    """An environment on the disk: its folder, last use (Unix time) and size."""

    folder: Path
    used_at: float
    size: int


def limit_from(text: str) -> int:
    """The limit in bytes that a worker's environment sets; the usual one for none or,
    with a warning, for what is not a number."""
    if text.isascii() and text.isdecimal():
        return int(text)
    if text:
        logger.warning(
            "SWEEPSITE_ENVIRONMENTS_LIMIT_BYTES is %r; it must be a number of bytes, "
            "such as 20000000000",
            text,
        )
    return USUAL_LIMIT


def remove_unused(
    root: Path, *, days: float, limit: int, keep: Path | None = None
) -> list[Path]:
    """Remove environments that were not used for so many days, then the longest
    unused until the rest fits the limit. Returns what was removed."""
    old = time.time() - days * DAY
    removed = [kept.folder for kept in _kept(root) if kept.used_at < old]
    removed = [folder for folder in removed if _remove(folder)]
    return removed + make_room(root, limit=limit, keep=keep)


def make_room(root: Path, *, limit: int, keep: Path | None = None) -> list[Path]:
    """Remove the longest unused until all fit into `limit` bytes; never `keep`, nor
    one that a trial uses now."""
    found = sorted(_kept(root), key=lambda kept: kept.used_at)
    size = sum(kept.size for kept in found)
    removed = []
    for kept in found:
        if size <= limit:
            break
        if kept.folder != keep and _remove(kept.folder):
            size -= kept.size
            removed.append(kept.folder)
    return removed


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder, links not followed."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            size += os.lstat(os.path.join(parent, name)).st_size
    return size


def _kept(root: Path) -> Iterator[Kept]:
    """Every environment; one without its mark counts from its folder's own time."""
    if not root.is_dir():
        return
    for folder in root.iterdir():
        if folder.is_dir():
            mark = folder / MARK
            used = (mark if mark.exists() else folder).stat().st_mtime
            yield Kept(folder, used, size_of(folder))


def _remove(folder: Path) -> bool:
    """Remove it unless it is in use or being built."""
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        if not lock.try_alone():
            return False
        # Without its mark it is none, also when the rest cannot be removed now.
        (folder / MARK).unlink(missing_ok=True)
        shutil.rmtree(folder)
    except OSError as problem:
        logger.warning("%s could not be removed: %s", folder, problem)
        return False
    finally:
        lock.close()
    return True
