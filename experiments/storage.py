"""Files in the data folder: code archives, logs, outputs and recordings.

No input from users becomes part of a path: archives and outputs are named by their
SHA-256, folders by a row's id.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from experiments.models import Attempt
from experiments.runner.log_marks import (
    MARK,
    MARK_LENGTH,
    from_whole_mark,
    plain,
    timeless,
)

# The errors of a full disk.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_ROOM_WORDS = tuple(os.strerror(number) for number in sorted(NO_ROOM))
# For files from training code: browsers must neither run nor embed them.
DOWNLOAD_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; base-uri 'none';"
    " object-src 'none'; frame-ancestors 'none'"
}
# Recordings copy what is in the database, up to about 40 MB each.
MAX_RECORDINGS = 10
# A log over its limit keeps a quarter of the limit as its head, half as its tail.
LEFT_OUT = b"\n[sweepsite: %d bytes of the log left out here]\n"
LEFT_OUT_BEFORE = re.compile(LEFT_OUT.replace(b"[", rb"\[").replace(b"%d", rb"(\d+)"))


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


def outputs_folder(attempt_id: int) -> Path:
    return _folder("attempts", str(attempt_id), "outputs")


def output_path(attempt_id: int, sha256: str) -> Path:
    return outputs_folder(attempt_id) / sha256


def recording_path(sweep_id: int, mark: str) -> Path:
    return _folder("recordings") / f"{sweep_id}-{mark}.npz"


def keep_recording(sweep_id: int, mark: str, content: bytes) -> None:
    """Store a sweep's reports for simulations; the oldest recordings are deleted."""
    path = recording_path(sweep_id, mark)
    write_whole(path, [content])
    for old in sorted(path.parent.glob("*.npz"), key=_modified)[:-MAX_RECORDINGS]:
        old.unlink(missing_ok=True)


def _modified(path: Path) -> float:
    """Zero for a file that another process has just deleted."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def write_whole(path: Path, chunks: Iterable[bytes]) -> tuple[int, str]:
    """Write a file completely or not at all, also if the power fails; returns its size
    and SHA-256."""
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
    """Flush a folder: after a power failure a flushed file may be lost if its name was
    not flushed."""
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
    """Append a chunk to an attempt's log completely, or raise OSError. A log over its
    limit loses its middle.

    The ``first`` chunk replaces an existing file: an uncommitted chunk, or the log of
    an attempt that had the same id before the database was restored.
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
    """The size of an attempt's log in bytes."""
    try:
        return log_path(attempt_id).stat().st_size
    except FileNotFoundError:
        return 0


def cut_log(attempt_id: int, size: int) -> None:
    """Cut an attempt's log to this size, if it is longer."""
    if log_size(attempt_id) > size:
        os.truncate(log_path(attempt_id), size)


def _shorten(path: Path, limit: int) -> None:
    """Cut at the ends of lines, where there are any, so that no mark is torn."""
    text = path.read_bytes()
    head = text[: text.rfind(b"\n", 0, limit // 4) + 1 or limit // 4]
    start = text.find(b"\n", len(text) - limit // 2) + 1 or len(text) - limit // 2
    middle, tail = text[len(head) : start], text[start:]
    gap = _gap(middle)
    try:
        write_whole(path, (head, gap, tail))
    except OSError as problem:
        # Nothing is lost; the next chunk tries again.
        if problem.errno not in NO_ROOM:
            raise


def _gap(middle: bytes) -> bytes:
    """What takes the place of this middle of a log."""
    text = plain(middle)
    earlier = sum(int(found[1]) for found in LEFT_OUT_BEFORE.finditer(text))
    sentence = LEFT_OUT % (len(LEFT_OUT_BEFORE.sub(b"", text)) + earlier)
    marks = [found[0] for found in MARK.finditer(middle)]
    return timeless(sentence) + marks[-1] if marks else sentence


def read_log(attempt_id: int, *, last: int | None = None) -> bytes:
    """The log with its marks, or its last bytes; empty if there is none."""
    try:
        with (_attempt_folder(attempt_id) / "log").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = 0 if last is None else max(0, size - last)
            before = min(start, MARK_LENGTH - 1)
            file.seek(start - before)
            return from_whole_mark(file.read(), before)
    except FileNotFoundError:
        return b""


def visible_log(attempt: Attempt | None, *, last: int | None = None) -> bytes:
    """An attempt's log with its marks; empty if there is none, or if it is in the
    trash."""
    if attempt is None or attempt.log_removed_at:
        return b""
    return read_log(attempt.pk, last=last)


def _attempt_folder(attempt_id: int) -> Path:
    """Where its files are, which may not exist."""
    return Path(settings.HOME, "store", "attempts", str(attempt_id))


def delete_attempt_files(attempt_ids: Iterable[int]) -> int:
    """Delete logs and outputs of these attempts; returns their bytes."""
    return sum(_delete_folder(_attempt_folder(pk)) for pk in attempt_ids)


def _delete_folder(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    shutil.rmtree(folder, ignore_errors=True)
    return size


def delete_file(path: Path) -> int:
    """Delete a file, if there is one; returns its bytes."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size


def delete_log(attempt_id: int) -> int:
    return delete_file(_attempt_folder(attempt_id) / "log")


def delete_output(attempt_id: int, sha256: str) -> int:
    return delete_file(_attempt_folder(attempt_id) / "outputs" / sha256)


def shorten_log(attempt_id: int, limit: int) -> int:
    """Remove the middle of a log that is longer; returns the bytes that went."""
    before = log_size(attempt_id)
    if before > limit:
        _shorten(log_path(attempt_id), limit)
    return before - log_size(attempt_id)


def delete_recordings(sweep_id: int) -> None:
    for path in _folder("recordings").glob(f"{sweep_id}-*.npz"):
        path.unlink(missing_ok=True)


def delete_code(digest: str) -> int:
    return delete_file(code_path(digest))
