"""Files of code that come with the form: kept at once, whatever else is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from experiments import access, snapshots
from experiments.models import CodeSnapshot, Team, User
from experiments.search.figures import counted
from experiments.search.problems import listed
from experiments.words import bytes_text

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_NAMES = 3
DIGEST = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class KeptFiles:
    """A snapshot in words: `train.py, digits.csv.gz` and `2 files, 412 kB`."""

    digest: str
    names: str
    size: str

    @classmethod
    def of(cls, snapshot: CodeSnapshot) -> KeptFiles:
        paths = [str(file["path"]) for file in snapshot.files]
        few = paths[:MOST_NAMES]
        if len(paths) > MOST_NAMES:
            few.append(f"{len(paths) - MOST_NAMES} more")
        names = listed(few) if len(paths) > MOST_NAMES else ", ".join(few)
        size = f"{counted(len(paths), 'file')}, {bytes_text(snapshot.size)}"
        return cls(snapshot.digest, names, size)


def keep_files(
    team: Team, files: Sequence[UploadedFile[bytes]], *, paths: str, user: User
) -> CodeSnapshot:
    """Keep the files as a snapshot; one archive alone is unpacked.

    `paths` is a JSON list of the files' paths in their folder, for a browser says no
    more than their names. Raises CodeError.
    """
    size = sum(file.size or 0 for file in files)
    if size > settings.UPLOAD_LIMIT_BYTES:
        raise snapshots.CodeError(
            f"The files take {size / 1e6:.1f} MB; at most"
            f" {settings.UPLOAD_LIMIT_BYTES >> 20} MB are allowed"
            " (SWEEPSITE_UPLOAD_MB)."
        )
    names = _paths(files, paths)
    if len(files) == 1 and str(names[0]).lower().endswith(ARCHIVES):
        return snapshots.store_archive(team, files[0].read(), user=user)
    return snapshots.store_files(team, _contents(files, names), user=user)


def kept_files(team: Team, user: User, digest: str) -> CodeSnapshot | None:
    """The team's snapshot of that digest, or the only one that begins like it."""
    digest = digest.strip()
    if not DIGEST.fullmatch(digest):
        return None
    mine = access.code_for(user).filter(team=team, digest__startswith=digest)[:2]
    return mine[0] if len(mine) == 1 else None


def _paths(files: Sequence[UploadedFile[bytes]], paths: str) -> list[str]:
    names = [file.name or "" for file in files]
    try:
        given: Any = json.loads(paths) if paths else names
    except ValueError:
        return names
    fits = isinstance(given, list) and len(given) == len(files)
    return [str(path) for path in given] if fits else names


def _contents(
    files: Sequence[UploadedFile[bytes]], names: Sequence[str]
) -> Mapping[str, bytes]:
    contents: dict[str, bytes] = {}
    for name, file in zip(names, files, strict=True):
        if name in contents:
            raise snapshots.CodeError(
                f"Two files have the name {name!r}. Choose their folder, or a zip."
            )
        contents[name] = file.read()
    return contents
