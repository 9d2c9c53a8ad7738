"""Code snapshots: equal files are one snapshot, and no name leaves its folder."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import Any

import pytest

from experiments import snapshots, storage
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
    assert snapshots.read_files(snapshot) == FILES
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
    with pytest.raises(snapshots.CodeError, match="file name"):
        snapshots.store_files(team, {name: b""}, user=None)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_archives_are_held_to_the_same_names(team: Team, name: str) -> None:
    for data in (zipped({name: b""}), tarred({name: b""})):
        with pytest.raises(snapshots.CodeError):
            snapshots.store_archive(team, data, user=None)


def test_links_in_an_archive_are_refused(team: Team) -> None:
    with pytest.raises(snapshots.CodeError, match="link"):
        data = tarred(FILES, ("passwd", "/etc/passwd"))
        snapshots.store_archive(team, data, user=None)


@pytest.mark.parametrize("data", [b"", b"hello", zipped(FILES)[:-30], b"PK\x03\x04"])
def test_what_is_no_archive_is_refused_in_words(team: Team, data: bytes) -> None:
    with pytest.raises(snapshots.CodeError):
        snapshots.store_archive(team, data, user=None)


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(
    team: Team, settings: Any
) -> None:
    settings.UPLOAD_LIMIT_BYTES = 1000
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 1_000_000)
    assert len(bomb.getvalue()) < 2000
    with pytest.raises(snapshots.CodeError, match=r"1\.0 MB"):
        snapshots.store_archive(team, bomb.getvalue(), user=None)


def test_a_lost_archive_is_written_again(team: Team) -> None:
    snapshot = snapshots.store_files(team, FILES, user=None)
    storage.code_path(snapshot.digest).unlink()
    snapshots.store_files(team, FILES, user=None)
    assert snapshots.read_files(snapshot) == FILES
