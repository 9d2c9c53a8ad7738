"""One backup: a folder with the database, files of the data folder, and a manifest."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from experiments.backup.database import check_database, save_database
from experiments.backup.files import (
    FileFacts,
    check_files,
    checksum,
    is_kept,
    save_files,
)
from experiments.backup.rows import BackupError, Progress
from experiments.storage import write_whole

DATABASE, FILES, MANIFEST = "database.sqlite3", "files", "manifest.json"
FORMAT = 1
NAME = "sweepsite-%Y-%m-%dT%H-%M-%SZ"
PARTIAL = ".part-"
# The newest backup of this many days, and of this many weeks, is kept.
DAYS, WEEKS = 7, 4


@dataclass(frozen=True)
class Manifest:
    """What a backup has. ``rows`` is by table, ``files`` by path in the data folder."""

    format: int
    made_at: str
    version: str
    # The kind of database from which it came.
    vendor: str
    database_sha256: str
    rows: Mapping[str, int]
    files: Mapping[str, FileFacts]

    @property
    def size(self) -> int:
        return sum(each.size for each in self.files.values())


def make_backup(where: Path, progress: Progress) -> tuple[Path, Manifest]:
    """Make a new backup in this folder, completely or not at all.

    The database comes first: a file without a row only takes space, but a row without
    its file is a broken link.
    """
    if where.resolve().is_relative_to(settings.HOME / "store"):
        raise BackupError(f"{where} is in the data folder. Use another folder.")
    now = datetime.now(UTC)
    final = where / now.strftime(NAME)
    part = where / f"{PARTIAL}{final.name}"
    part.mkdir(parents=True, mode=0o700)
    try:
        rows = save_database(part / DATABASE, progress)
        files = save_files(
            Path(settings.HOME), part / FILES, progress, earlier=_newest(where)
        )
        manifest = Manifest(
            FORMAT,
            now.isoformat(timespec="seconds"),
            settings.VERSION,
            connection.vendor,
            checksum(part / DATABASE),
            rows,
            files,
        )
        write_whole(part / MANIFEST, [json.dumps(asdict(manifest)).encode()])
        os.sync()
        part.rename(final)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return final, manifest


def _newest(where: Path) -> tuple[Path, Mapping[str, FileFacts]] | None:
    """The files of the newest backup in this folder that can be read."""
    for _, folder in reversed(_backups(where)):
        try:
            return folder / FILES, read_manifest(folder).files
        except BackupError:
            continue
    return None


def _backups(where: Path) -> list[tuple[datetime, Path]]:
    """The backups in this folder with their times, oldest first."""
    found = []
    for folder in where.glob("sweepsite-*"):
        try:
            found.append((datetime.strptime(folder.name, NAME), folder))
        except ValueError:
            continue
    return sorted(found)


def delete_old(where: Path) -> list[Path]:
    """Delete all backups in this folder except the newest of each of the last 7 days
    and 4 weeks that have one."""
    newest_first = _backups(where)[::-1]
    days: dict[object, Path] = {}
    weeks: dict[object, Path] = {}
    for made_at, folder in newest_first:
        days.setdefault(made_at.date(), folder)
        weeks.setdefault(made_at.isocalendar()[:2], folder)
    kept = {*list(days.values())[:DAYS], *list(weeks.values())[:WEEKS]}
    old = [folder for _, folder in newest_first if folder not in kept]
    for folder in old:
        shutil.rmtree(folder)
    return old


def read_manifest(folder: Path) -> Manifest:
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
        if found["format"] != FORMAT:
            raise BackupError(
                f"{folder} has format {found['format']}; this version of sweepsite"
                f" reads {FORMAT}."
            )
        files = {name: FileFacts(*facts) for name, facts in found.pop("files").items()}
        manifest = Manifest(**found, files=files)
    except FileNotFoundError as problem:
        raise BackupError(
            f"{folder} is not a backup: it has no {MANIFEST}. A backup's folder has a"
            " name such as sweepsite-2026-01-31T02-30-00Z."
        ) from problem
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BackupError(f"{folder / MANIFEST} is damaged: {problem}.") from problem
    if strange := [name for name in files if not is_kept(name)]:
        raise BackupError(
            f"{folder / MANIFEST} names {strange[0]!r}, which does not belong in a data"
            " folder's backup. Nothing was restored."
        )
    return manifest


def check_backup(folder: Path, progress: Progress) -> Manifest:
    """Read all of a backup. Raises BackupError unless it is as it was written."""
    manifest = read_manifest(folder)
    check_files(folder / FILES, manifest.files, progress)
    if checksum(folder / DATABASE) != manifest.database_sha256:
        raise BackupError(f"{folder / DATABASE} is missing or damaged.")
    rows = check_database(folder / DATABASE)
    if rows != manifest.rows:
        raise BackupError(f"{folder / DATABASE} has other rows than its manifest says.")
    return manifest
