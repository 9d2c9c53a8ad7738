"""Code snapshots: a training script's files as one archive, kept once per content.

An archive from outside is read in memory, checked name by name, and packed anew in a
fixed order with fixed times: equal files give equal bytes, and so one snapshot.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
import zipfile
from collections.abc import Iterator, Mapping

from django.conf import settings

from experiments import storage
from experiments.models import CodeSnapshot, Team, User

MOST_FILES = 10_000
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class CodeError(ValueError):
    """Files that cannot be kept, with a sentence that says which and why."""


def store_files(
    team: Team, files: Mapping[str, bytes], *, user: User | None
) -> CodeSnapshot:
    """Keep these files (relative POSIX path to content) as a snapshot of the team."""
    checked = {safe_path(name): content for name, content in files.items()}
    if not checked:
        raise CodeError("There are no files; at least the training script is needed.")
    if len(checked) > MOST_FILES:
        raise CodeError(f"There are {len(checked):,} files; at most {MOST_FILES:,}.")
    _check_size(sum(map(len, checked.values())))
    archive = pack(checked)
    digest = hashlib.sha256(archive).hexdigest()
    snapshot, _ = CodeSnapshot.objects.get_or_create(
        team=team,
        digest=digest,
        defaults={
            "files": [
                {"path": name, "size": len(checked[name])} for name in sorted(checked)
            ],
            "size": sum(map(len, checked.values())),
            "created_by": user,
        },
    )
    # The row first: whoever deletes files looks for rows that still need them.
    path = storage.code_path(digest)
    if not path.exists():
        storage.write_whole(path, (archive,))
    return snapshot


def store_archive(team: Team, data: bytes, *, user: User | None) -> CodeSnapshot:
    """The same for a zip or tar archive; links and special files are refused."""
    return store_files(team, dict(_unpacked(data)), user=user)


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip archive whose bytes depend on names and contents alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, FIXED_TIME)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return buffer.getvalue()


def read_files(snapshot: CodeSnapshot) -> dict[str, bytes]:
    with zipfile.ZipFile(storage.code_path(snapshot.digest)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def safe_path(name: str) -> str:
    """The path in plain form, or a CodeError if it could leave its folder."""
    path = posixpath.normpath(name.replace("\\", "/"))
    bad = (
        not name.strip()
        or path.startswith(("/", "../"))
        or path in {".", ".."}
        or ":" in path.split("/")[0]
        or any(ord(letter) < 32 for letter in path)
        or len(path) > 500
    )
    if bad:
        raise CodeError(
            f"The file name {name!r} is not allowed. Names are relative to the folder"
            " of the code and stay inside it, such as src/train.py."
        )
    return path


def _check_size(size: int) -> None:
    if size > settings.UPLOAD_LIMIT_BYTES:
        raise CodeError(
            f"The files take {size / 1e6:.1f} MB; at most"
            f" {settings.UPLOAD_LIMIT_BYTES >> 20} MB are allowed"
            " (SWEEPSITE_UPLOAD_MB)."
        )


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(io.BytesIO(data)):
        yield from _from_zip(data)
        return
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            yield from _from_tar(archive)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CodeError("The upload is neither a zip nor a tar archive.") from error


def _from_zip(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _check_size(sum(info.file_size for info in members))
            for info in members:
                if (info.external_attr >> 16) & 0o170000 not in {0, 0o100000}:
                    raise CodeError(f"{info.filename!r} is a link or special file.")
                yield info.filename, archive.read(info)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise CodeError(f"The zip archive cannot be read: {error}.") from error


def _from_tar(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    total = 0
    for member in archive:
        if member.isdir():
            continue
        if not member.isfile():
            raise CodeError(f"{member.name!r} is a link or special file.")
        total += member.size
        _check_size(total)
        file = archive.extractfile(member)
        yield member.name, file.read() if file else b""
