"""The sweep's code: fetched once, checked, unpacked for each attempt.

Any user who can submit a sweep can upload a snapshot, so every entry of the zip is
checked before the first byte is written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from experiments.runner.folder import size_in_words

MAX_FILES = 10_000
MAX_ZIP = 1 << 30
MAX_UNPACKED = 4 << 30
MAX_RATIO = 100
RATIO_FREE = 64 << 20  # smaller archives may have any ratio
COPY_SIZE = 1 << 20


class CodeError(Exception):
    """The code snapshot cannot be used; the text says why."""


def cached_zip(cache: Path, digest: str) -> Path | None:
    """The snapshot's zip if it was fetched before; renews its time of use."""
    path = cache / f"{digest}.zip"
    try:
        os.utime(path)
    except FileNotFoundError:
        return None
    return path


def store(cache: Path, digest: str, pieces: Iterable[bytes]) -> Path:
    """Keep a fetched zip in the cache, all of it or nothing.

    Raises CodeError if the bytes do not have this digest or are too many.
    """
    cache.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=cache, prefix="fetching-")
    try:
        with os.fdopen(handle, "wb") as file:
            found = _write_hashing(pieces, file)
        if found != digest:
            raise CodeError(f"the code arrived with digest {found}, not {digest}")
        path = cache / f"{digest}.zip"
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path


def unpack(archive: BinaryIO, target: Path) -> None:
    """Extract a snapshot's zip into `target`; never writes outside it.

    Raises CodeError, or OSError when the worker has no room.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _check_amounts(entries, archive.seek(0, os.SEEK_END))
            for entry in entries:
                _check_entry(entry)
            for entry in entries:
                _extract(opened, entry, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as problem:
        raise CodeError(f"the code is not a valid zip: {problem}") from problem
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as problem:
        raise CodeError(f"two names in the code collide: {problem}") from problem
    except (RuntimeError, ValueError) as problem:
        raise CodeError(f"the code could not be unpacked: {problem}") from problem


def _write_hashing(pieces: Iterable[bytes], file: BinaryIO) -> str:
    """Write the pieces and return the SHA-256 of them all."""
    seen = hashlib.sha256()
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_ZIP:
            raise CodeError(f"the code is larger than {size_in_words(MAX_ZIP)}")
        seen.update(piece)
        file.write(piece)
    return seen.hexdigest()


def _check_amounts(entries: list[zipfile.ZipInfo], packed: int) -> None:
    if len(entries) > MAX_FILES:
        raise CodeError(
            f"the code has {len(entries)} files; allowed are {MAX_FILES}. Leave out "
            "data and virtual environments"
        )
    size = sum(entry.file_size for entry in entries)
    if size > MAX_UNPACKED:
        raise CodeError(
            f"the code unpacks to {size_in_words(size)}; allowed are "
            f"{size_in_words(MAX_UNPACKED)}"
        )
    if size > RATIO_FREE and size > MAX_RATIO * packed:
        raise CodeError(
            f"the code unpacks from {size_in_words(packed)} to {size_in_words(size)}, "
            f"more than {MAX_RATIO} times its size"
        )


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = PurePosixPath(name).parts
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if not parts or name.startswith("/") or ".." in parts:
        raise CodeError(f"the code holds {name!r}, which is outside its folder")
    if "\\" in name or ":" in parts[0]:
        raise CodeError(
            f"the code holds {name!r}; only relative names with / are allowed"
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise CodeError(f"the code holds {name!r}, a link or special file")
    if entry.flag_bits & 0x1:
        raise CodeError(f"the code holds {name!r}, which is encrypted")


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    path = target / entry.filename
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(entry) as source, path.open("xb") as file:
        shutil.copyfileobj(source, file, COPY_SIZE)
    if (entry.external_attr >> 16) & stat.S_IXUSR:
        path.chmod(0o755)
