"""How much disk the shared environments take, and which of them go."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.file_lock import removed_alone

logger = logging.getLogger(__name__)

# Written last: an environment without it was never finished. Renewed at every use.
MARK = "sweepsite.json"
USUAL_LIMIT = 20 << 30
DAY = 24 * 3600.0


Show = Callable[[], None]


def in_peace() -> None:
    """Nobody waits, so no signs of life are needed."""


@dataclass(frozen=True)
class Kept:
    """An environment on the disk: its folder, last use (Unix time) and size."""

    folder: Path
    used_at: float
    size: int


def bytes_from(worker: Mapping[str, str], name: str, *, usual: int) -> int:
    """The limit in bytes that a worker's environment sets; the usual one for none or,
    with a warning, for what is not a number."""
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
    show: Show = in_peace,
) -> list[Path]:
    """Remove environments that were not used for so many days, then the longest
    unused until the rest fits the limit. Returns what was removed.

    `show` is called now and then, however much there is to look at and to remove.
    """
    old = time.time() - days * DAY
    removed = [folder for folder in _folders(root) if _is_useless(folder, old)]
    removed = [folder for folder in removed if _remove(folder, show)]
    return removed + make_room(root, limit=limit, keep=keep, show=show)


def make_room(
    root: Path, *, limit: int, keep: Path | None = None, show: Show = in_peace
) -> list[Path]:
    """Remove the longest unused until all fit into `limit` bytes; never `keep`, nor
    one that a trial uses or builds now."""
    found = sorted(_kept(root, show), key=lambda kept: kept.used_at)
    size = sum(kept.size for kept in found)
    removed = []
    for kept in found:
        if size <= limit:
            break
        if kept.folder != keep and _remove(kept.folder, show):
            size -= kept.size
            removed.append(kept.folder)
    return removed


def size_of(folder: Path, show: Show = in_peace) -> int:
    """Bytes of the files below a folder, links not followed. What goes meanwhile does
    not count."""
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


def _is_useless(folder: Path, old: float) -> bool:
    """Unused since then, or never finished; the lock tells what is being built."""
    try:
        return (folder / MARK).stat().st_mtime < old
    except OSError:
        return True


def _kept(root: Path, show: Show) -> Iterator[Kept]:
    """Every finished environment: others are being built, or of no use."""
    for folder in _folders(root):
        with contextlib.suppress(OSError):
            mark = folder / MARK
            used_at = mark.stat().st_mtime
            yield Kept(folder, used_at, _told_size(mark) or size_of(folder, show))


def _told_size(mark: Path) -> int:
    """The size when it was built, which nothing changes later; 0 where none is told."""
    try:
        return int(json.loads(mark.read_text())["bytes"])
    except (ValueError, KeyError, TypeError):
        return 0


def _remove(folder: Path, show: Show) -> bool:
    """Remove it unless it is in use or being built."""

    def remove() -> bool:
        # Without its mark it is none, also when the rest cannot be removed now.
        (folder / MARK).unlink(missing_ok=True)
        remove_tree(folder, show=show)
        return True

    return removed_alone(folder, remove)


def remove_tree(folder: Path, *, show: Show) -> None:
    """Remove a folder with all that is in it, links not followed, with signs of life
    meanwhile. Raises OSError, and what `show` raises."""
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
