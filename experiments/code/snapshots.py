"""Code snapshots: a training script's files as one archive, stored once per content.

An uploaded archive is read in memory, checked, and packed again in a fixed order with
fixed times, so that equal files give equal bytes and one snapshot. A few kilobytes can
unpack to gigabytes, in contents and in headers, so every read has a limit.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import posixpath
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from experiments import storage
from experiments.models import CodeSnapshot, Team, User

MAX_FILES = 10_000
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
MAX_NAME_LENGTH = 500
SHOWN_LETTERS = 200
CHUNK = 1 << 20
# What a tar archive may contain besides the contents of its files.
TAR_ROOM = 16 << 20
# The headers of one member may take this much: its name, owner and attributes.
HEADER_ROOM = 128 << 10
ZIP_ENTRY = b"PK\x01\x02"
ZIP_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
COMPRESSIONS: dict[bytes, Callable[[io.BytesIO], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x5d\x00\x00": lzma.LZMAFile,
}
# What the readers raise for damaged archives. Nested headers cause a RecursionError (a
# RuntimeError), absurd dictionary sizes a MemoryError.
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
    MemoryError,
)


class SnapshotError(ValueError):
    """Files that cannot be stored; the message says which and why."""


def store_files(
    team: Team, files: Mapping[str, bytes], *, user: User | None
) -> CodeSnapshot:
    """Store these files (content by relative POSIX path) as a snapshot of the team."""
    checked = {safe_path(name): content for name, content in files.items()}
    if not checked:
        raise SnapshotError(
            "There are no files; at least the training script is needed."
        )
    if len(checked) > MAX_FILES:
        raise SnapshotError(f"There are {len(checked):,} files; at most {MAX_FILES:,}.")
    _check_folders(checked)
    _check_size(sum(map(len, checked.values())))
    archive = pack(checked)
    digest = hashlib.sha256(archive).hexdigest()
    _check_team(team, digest, sum(map(len, checked.values())))
    snapshot, _ = CodeSnapshot.all_objects.update_or_create(
        team=team,
        digest=digest,
        defaults={"created_at": timezone.now(), "trash": None},
        create_defaults={
            "files": [
                {"path": name, "size": len(checked[name])} for name in sorted(checked)
            ],
            "size": sum(map(len, checked.values())),
            "created_by": user,
        },
    )
    # The row first: deletion keeps the files of existing rows.
    path = storage.code_path(digest)
    if not path.exists():
        storage.write_whole(path, (archive,))
    return snapshot


def store_archive(team: Team, data: bytes, *, user: User | None) -> CodeSnapshot:
    """The same for a zip or tar archive; links and special files are refused."""
    return store_files(team, dict(_unpacked(data)), user=user)


@contextmanager
def no_upload() -> Iterator[None]:
    """A transaction that deletes archives. An upload of the same code waits for its
    end, and then writes the file again."""
    with transaction.atomic():
        # SQLite has one writer anyway.
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                table = connection.ops.quote_name(CodeSnapshot._meta.db_table)
                cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        yield


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip archive whose bytes depend only on names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, FIXED_TIME)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return buffer.getvalue()


def _check_folders(names: Iterable[str]) -> None:
    """Refuse a path that is both a file and a folder."""
    known = set(names)
    for name in known:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder in known:
                raise SnapshotError(
                    f"{_shown(folder)} is a file and also the folder of {_shown(name)}."
                    " Rename one of them."
                )


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a zip or tar archive, without folders.

    Raises SnapshotError for damaged or too large archives, links and special files.
    """
    if zipfile.is_zipfile(io.BytesIO(data)):
        kind, reader = "The zip archive cannot be read", _from_zip
    else:
        kind, reader = "The upload is neither a zip nor a tar archive", _from_tar
    try:
        yield from reader(data)
    except SnapshotError:
        raise
    except DAMAGE as error:
        why = str(error)[:SHOWN_LETTERS].rstrip(".") or type(error).__name__
        raise SnapshotError(f"{kind}: {why}.") from error


def safe_path(name: str) -> str:
    """The normalized path. Raises SnapshotError if it could leave its folder."""
    if len(name) > MAX_NAME_LENGTH:
        raise SnapshotError(
            f"The file name {_shown(name)} has {len(name):,} characters; at most"
            f" {MAX_NAME_LENGTH} are allowed."
        )
    path = posixpath.normpath(name.replace("\\", "/"))
    bad = (
        not name.strip()
        or path.startswith(("/", "../"))
        or path in {".", ".."}
        or ":" in path.split("/")[0]
        # Lone surrogates stand for bytes that were not UTF-8.
        or any(letter < " " or "\ud800" <= letter <= "\udfff" for letter in path)
    )
    if bad:
        raise SnapshotError(
            f"The file name {_shown(name)} is not allowed. Names are relative to the"
            " folder of the code and stay inside it, such as src/train.py."
        )
    return path


def _shown(name: str) -> str:
    """A name for messages: quoted, and cut if it is long."""
    cut = name[:SHOWN_LETTERS]
    return repr(cut) if cut == name else f"{cut!r}..."


def _check_size(size: int) -> None:
    if size > settings.UPLOAD_LIMIT_BYTES:
        raise SnapshotError(
            f"The files take {size / 1e6:.1f} MB; at most"
            f" {settings.UPLOAD_LIMIT_BYTES >> 20} MB are allowed"
            " (SWEEPSITE_UPLOAD_MB)."
        )


def _check_team(team: Team, digest: str, size: int) -> None:
    """Refuse new files beyond what all snapshots of a team may take together."""
    others = CodeSnapshot.objects.filter(team=team).exclude(digest=digest)
    used = others.aggregate(sum=Sum("size"))["sum"] or 0
    limit = settings.TEAM_UPLOADS_LIMIT_BYTES
    if used + size > limit:
        raise SnapshotError(
            f"The files take {size / 1e6:.1f} MB, and the uploads of team {team.name}"
            f" already {used / 1e6:,.1f} MB; all together may take {limit >> 20:,} MB"
            " (SWEEPSITE_TEAM_UPLOADS_MB). Delete sweeps whose code you do not need."
        )


def _check_count(count: int) -> None:
    if count > MAX_FILES:
        raise SnapshotError(
            f"The archive has more than {MAX_FILES:,} files and folders, the most that"
            " is allowed."
        )


def _from_zip(data: bytes) -> Iterator[tuple[str, bytes]]:
    # Counted before the reader makes objects; the end record may be wrong.
    _check_count(data.count(ZIP_ENTRY))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        _check_size(sum(info.file_size for info in members))
        for info in members:
            if (info.external_attr >> 16) & 0o170000 not in {0, 0o100000}:
                raise SnapshotError(
                    f"{_shown(info.filename)} is a link or special file."
                )
            if info.compress_type not in ZIP_METHODS:
                raise SnapshotError(
                    f"{_shown(info.filename)} is compressed in an unusual way; a zip"
                    " archive may store its files or deflate them."
                )
            with archive.open(info) as file:
                # With a length, so that no more is inflated than declared.
                yield safe_path(info.filename), file.read(info.file_size)


class _Metered(io.BytesIO):
    """Bytes of which only ``room`` may be read."""

    room = 0

    def read(self, size: int | None = -1, /) -> bytes:
        asked = len(self.getbuffer()) if size is None or size < 0 else size
        self.room -= asked
        if self.room < 0:
            raise SnapshotError(
                "The tar archive has a header of more than"
                f" {HEADER_ROOM >> 10} kB, such as a file name of that length."
            )
        return super().read(size)


def _from_tar(data: bytes) -> Iterator[tuple[str, bytes]]:
    source = _plain_tar(data)
    source.room = HEADER_ROOM
    count = total = 0
    with tarfile.open(fileobj=source, mode="r:") as archive:
        while (member := archive.next()) is not None:
            # Members are not needed again, and each may have many attributes.
            archive.members.clear()  # type: ignore[attr-defined]
            count += 1
            _check_count(count)
            if not member.isdir():
                if not member.isfile():
                    raise SnapshotError(
                        f"{_shown(member.name)} is a link or special file."
                    )
                total += max(member.size, 0)
                _check_size(total)
                source.room = member.size
                yield safe_path(member.name), _content(archive, member)
            source.room = HEADER_ROOM


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"".join(iter(lambda: file.read(CHUNK), b"")) if file else b""


def _plain_tar(data: bytes) -> _Metered:
    """The uncompressed archive. Raises SnapshotError if it is too large."""
    makers = (make for magic, make in COMPRESSIONS.items() if data.startswith(magic))
    make = next(makers, None)
    if make is None:
        return _Metered(data)
    plain = _Metered()
    most = settings.UPLOAD_LIMIT_BYTES + TAR_ROOM
    with make(io.BytesIO(data)) as file:
        while piece := file.read(CHUNK):
            if plain.tell() + len(piece) > most:
                raise SnapshotError(
                    f"The archive unpacks to more than {most >> 20} MB; its files may"
                    f" take at most {settings.UPLOAD_LIMIT_BYTES >> 20} MB"
                    " (SWEEPSITE_UPLOAD_MB)."
                )
            plain.write(piece)
    plain.seek(0)
    return plain
