"""Files in the data folder: code archives, logs and outputs.

No text from outside ever becomes part of a path: archives and outputs are named by
their SHA-256, folders by a row's number.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

# What the system says of a disk that takes nothing more.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_ROOM_WORDS = tuple(os.strerror(number) for number in sorted(NO_ROOM))
# When a log outgrows its limit, a quarter of it stays as the head, half as the tail.
# Copies of what the database holds, up to about 40 MB each.
MAX_RECORDINGS = 10
LEFT_OUT = b"\n[sweepsite: %d bytes of the log left out here]\n"


def _folder(*parts: str) -> Path:
    path = Path(settings.HOME).joinpath("store", *parts)
    if path.is_dir():
        return path
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in new:
        flush_names(folder.parent)
    return path


def code_path(digest: str) -> Path:
    return _folder("code") / f"{digest}.zip"


def log_path(attempt_id: int) -> Path:
    return _folder("attempts", str(attempt_id)) / "log"


def output_path(attempt_id: int, sha256: str) -> Path:
    return _folder("attempts", str(attempt_id), "outputs") / sha256


def recording_path(sweep_id: int, mark: str) -> Path:
    return _folder("recordings") / f"{sweep_id}-{mark}.npz"


def keep_recording(sweep_id: int, mark: str, content: bytes) -> None:
    """Keep the reports of a sweep for simulations; the oldest recordings go."""
    path = recording_path(sweep_id, mark)
    write_whole(path, [content])
    found = sorted(path.parent.glob("*.npz"), key=lambda kept: kept.stat().st_mtime)
    for old in found[:-MAX_RECORDINGS]:
        old.unlink(missing_ok=True)


def write_whole(path: Path, chunks: Iterable[bytes]) -> tuple[int, str]:
    """Write a file so that it is there whole or not at all, also after a power cut once
    this has returned; its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
        flush_names(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return size, digest.hexdigest()


def flush_names(folder: Path) -> None:
    """Have the names in a folder outlast a power cut: a file that is flushed under a
    name that is not may be gone after one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush a folder.
        if error.errno not in (errno.EBADF, errno.EINVAL):
            raise
    finally:
        os.close(handle)


def append_log(attempt_id: int, chunk: bytes, *, first: bool = False) -> None:
    """Add all of it to an attempt's log, or nothing; the middle of a log that outgrows
    its limit is cut out. Raises OSError when there is no room.

    The ``first`` chunk takes the place of whatever is there: a chunk that was not
    committed, or the log of another attempt, where the database was restored to a
    time before that one and its number is given again.
    """
    path, limit = log_path(attempt_id), settings.LOG_LIMIT_BYTES
    with path.open("wb" if first else "ab", buffering=0) as file:
        before = file.tell()
        try:
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) :]
        except OSError:
            file.truncate(before)
            raise
    if before + len(chunk) > limit:
        _shorten(path, limit)


def log_size(attempt_id: int) -> int:
    """The bytes of an attempt's log that are kept."""
    try:
        return log_path(attempt_id).stat().st_size
    except FileNotFoundError:
        return 0


def cut_log(attempt_id: int, size: int) -> None:
    """Take back what was added to an attempt's log beyond so many bytes."""
    if log_size(attempt_id) > size:
        os.truncate(log_path(attempt_id), size)


def _shorten(path: Path, limit: int) -> None:
    text = path.read_bytes()
    head, tail = text[: limit // 4], text[-limit // 2 :]
    gap = LEFT_OUT % (len(text) - len(head) - len(tail))
    try:
        write_whole(path, (head, gap, tail))
    except OSError as problem:
        # All that was to be kept is; the next chunk tries again.
        if problem.errno not in NO_ROOM:
            raise


def read_log(attempt_id: int, *, last: int | None = None) -> bytes:
    """The log's bytes, or the last ones of it; empty when there is none."""
    path = Path(settings.HOME) / "store" / "attempts" / str(attempt_id) / "log"
    try:
        with path.open("rb") as file:
            if last is not None:
                _seek_from_end(file, last)
            return file.read()
    except FileNotFoundError:
        return b""


def _seek_from_end(file: BinaryIO, last: int) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - last))


def attempt_bytes(attempt_ids: Iterable[int]) -> int:
    """How much the logs and outputs of these attempts take."""
    root = Path(settings.HOME) / "store" / "attempts"
    files = (path for pk in attempt_ids for path in (root / str(pk)).rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file())


def delete_attempt_files(attempt_ids: Iterable[int]) -> None:
    root = Path(settings.HOME) / "store" / "attempts"
    for pk in attempt_ids:
        shutil.rmtree(root / str(pk), ignore_errors=True)


def delete_recordings(sweep_id: int) -> None:
    for path in _folder("recordings").glob(f"{sweep_id}-*.npz"):
        path.unlink(missing_ok=True)


def delete_code(digest: str) -> None:
    code_path(digest).unlink(missing_ok=True)
