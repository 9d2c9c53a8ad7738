"""Code snapshots: equal files are one snapshot, and no name leaves its folder."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from experiments import storage
from experiments.code import snapshots
from experiments.models import CodeSnapshot, Team
from tests import factories

pytestmark = pytest.mark.django_db
FILES = {"train.py": b"print(1)", "data/x.csv": b"1,2"}


@pytest.fixture
def team(settings: Any, tmp_path: Any) -> Team:
    settings.HOME = tmp_path
    return factories.team()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], *links: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def test_files_zip_and_tar_of_the_same_content_are_one_snapshot(team: Team) -> None:
    kept = {
        snapshots.store_files(team, FILES, user=None).pk,
        snapshots.store_archive(team, zipped(FILES), user=None).pk,
        snapshots.store_archive(team, tarred(FILES), user=None).pk,
    }
    assert len(kept) == 1
    snapshot = CodeSnapshot.objects.get()
    assert factories.stored_files(snapshot) == FILES
    assert snapshot.size == 11
    assert [file["path"] for file in snapshot.files] == ["data/x.csv", "train.py"]


def test_another_teams_equal_files_are_its_own_snapshot(team: Team) -> None:
    own = snapshots.store_files(team, FILES, user=None)
    other = snapshots.store_files(factories.team("Other"), FILES, user=None)
    assert own.pk != other.pk
    assert own.digest == other.digest


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "", " ", "C:\\x", "a\nb", "x" * 501]
)
def test_a_name_that_could_leave_the_folder_is_refused(team: Team, name: str) -> None:
    with pytest.raises(snapshots.SnapshotError, match="file name"):
        snapshots.store_files(team, {name: b""}, user=None)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_archives_are_held_to_the_same_names(team: Team, name: str) -> None:
    for data in (zipped({name: b""}), tarred({name: b""})):
        with pytest.raises(snapshots.SnapshotError):
            snapshots.store_archive(team, data, user=None)


def test_links_in_an_archive_are_refused(team: Team) -> None:
    with pytest.raises(snapshots.SnapshotError, match="link"):
        data = tarred(FILES, ("passwd", "/etc/passwd"))
        snapshots.store_archive(team, data, user=None)


@pytest.mark.parametrize("data", [b"", b"hello", zipped(FILES)[:-30], b"PK\x03\x04"])
def test_what_is_no_archive_is_refused_in_words(team: Team, data: bytes) -> None:
    with pytest.raises(snapshots.SnapshotError):
        snapshots.store_archive(team, data, user=None)


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(
    team: Team, settings: Any
) -> None:
    settings.UPLOAD_LIMIT_BYTES = 1000
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 1_000_000)
    assert len(bomb.getvalue()) < 2000
    with pytest.raises(snapshots.SnapshotError, match=r"1\.0 MB"):
        snapshots.store_archive(team, bomb.getvalue(), user=None)


def longname(size: int, *, levels: int = 1) -> bytes:
    """A tar header that announces a name of this many letters, and the name."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
    name = b"n" * size + b"\0" * (-size % 512)
    return (info.tobuf(tarfile.GNU_FORMAT) + name) * levels


def most_memory(team: Team, data: bytes, match: str) -> int:
    """Bytes that refusing the archive took at most; checks the sentence as well."""
    tracemalloc.start()
    try:
        with pytest.raises(snapshots.SnapshotError, match=match) as caught:
            snapshots.store_archive(team, data, user=None)
        assert len(str(caught.value)) < 500
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_header_that_unpacks_to_too_much_is_refused(
    team: Team, settings: Any, compress: Callable[[bytes], bytes]
) -> None:
    settings.UPLOAD_LIMIT_BYTES = 1 << 20
    bomb = compress(longname(60 << 20))
    assert len(bomb) < 100_000
    assert most_memory(team, bomb, "unpacks to more than 17 MB") < 40 << 20


@pytest.mark.parametrize("compress", [lzma.compress, bytes])
def test_a_header_within_the_limit_is_not_read_either(
    team: Team, compress: Callable[[bytes], bytes]
) -> None:
    bomb = compress(longname(8 << 20))
    assert most_memory(team, bomb, "header of more than 128 kB") < 30 << 20


def test_attributes_of_all_members_are_stored_once(team: Team) -> None:
    buffer = io.BytesIO()
    names = {f"k{number}": "v" for number in range(6_000)}
    with tarfile.open(fileobj=buffer, mode="w", pax_headers=names) as archive:
        for number in range(300):
            archive.addfile(tarfile.TarInfo(f"f{number}"))
        info = tarfile.TarInfo("link")
        info.type = tarfile.SYMTYPE
        archive.addfile(info)
    assert most_memory(team, buffer.getvalue(), "'link' is a link") < 20 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_with_a_false_size_is_not_inflated(team: Team, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("zeros", b"\0" * (50 << 20))
    lie = struct.pack("<L", 10)
    data = buffer.getvalue().replace(struct.pack("<L", 50 << 20), lie)
    assert most_memory(team, data, "zip archive") < 20 << 20


def test_a_name_is_refused_for_its_length_and_not_echoed(team: Team) -> None:
    for data in (zipped({"n" * 60_000: b""}), tarred({"n" * 60_000: b""})):
        with pytest.raises(
            snapshots.SnapshotError, match="60,000 characters"
        ) as caught:
            snapshots.store_archive(team, data, user=None)
        assert "n" * 200 in str(caught.value)
        assert "n" * 201 not in str(caught.value)


@pytest.mark.parametrize("ending", ["", "/"])
def test_folders_count_as_files_do(
    team: Team, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(snapshots, "MAX_FILES", 3)
    names = [f"d{number}{ending}" for number in range(4)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if ending else tarfile.REGTYPE
            archive.addfile(info)
    for data in (zipped(dict.fromkeys(names, b"")), buffer.getvalue()):
        with pytest.raises(
            snapshots.SnapshotError, match="more than 3 files and folders"
        ):
            snapshots.store_archive(team, data, user=None)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_damage_in_any_compression_has_a_message(
    team: Team, compress: Callable[[bytes], bytes]
) -> None:
    content = random.Random(1).randbytes(5_000)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("x")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    whole = compress(buffer.getvalue())
    middle = len(whole) // 2
    for data in (
        whole[:middle],
        whole[:middle] + b"\xff" * 40 + whole[middle + 40 :],
        whole[:20] + b"\xff" * 40 + whole[60:],
    ):
        with pytest.raises(snapshots.SnapshotError, match="neither a zip nor a tar"):
            snapshots.store_archive(team, data, user=None)


def test_damage_inside_a_zip_has_a_message(team: Team) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"hello " * 500)
    data = bytearray(buffer.getvalue())
    data[31:41] = b"\xff" * 10
    with pytest.raises(snapshots.SnapshotError, match="zip archive cannot be read"):
        snapshots.store_archive(team, bytes(data), user=None)


def test_nested_headers_have_a_message(team: Team) -> None:
    with pytest.raises(snapshots.SnapshotError):
        snapshots.store_archive(team, longname(1, levels=3_000), user=None)


def test_a_name_that_is_no_text_is_refused(team: Team) -> None:
    with pytest.raises(snapshots.SnapshotError, match="not allowed"):
        snapshots.store_archive(team, tarred({"caf\udce9.py": b""}), user=None)


def test_a_file_that_is_also_a_folder_is_refused(team: Team) -> None:
    files = {"a": b"1", "a/b/c": b"2"}
    for data in (zipped(files), tarred(files)):
        with pytest.raises(snapshots.SnapshotError, match="'a' is a file and also"):
            snapshots.store_archive(team, data, user=None)


def test_a_lost_archive_is_written_again(team: Team) -> None:
    snapshot = snapshots.store_files(team, FILES, user=None)
    storage.code_path(snapshot.digest).unlink()
    snapshots.store_files(team, FILES, user=None)
    assert factories.stored_files(snapshot) == FILES
