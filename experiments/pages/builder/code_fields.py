"""What a trial is made of, as fields: code, its files and script, packages."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from experiments import access
from experiments.code import snapshots
from experiments.formatting import bytes_text
from experiments.models import CodeSnapshot, Team, User
from experiments.search.document.code import is_address, split_address
from experiments.search.document.command import CommandError, split_command
from experiments.search.fields import listed
from experiments.search.records import JSONValue
from experiments.search.wording import counted

FILES, GIT, FOLDER = "files", "git", "folder"
CODE_KINDS = (FILES, GIT, FOLDER)
# One line that is the name of a file of the code, rather than a package.
FILE_NAME = re.compile(r"[^\s=<>~!@\[\];]+\.(?:txt|in|lock)")
# A list without any package asks for an environment with nothing in it.
NOTHING = "# no packages"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_NAMES = 3
DIGEST = re.compile(r"[0-9a-f]{8,64}")


def code_kind(texts: Mapping[str, str]) -> str:
    """Which of the sources is picked; without a pick, what there is."""
    picked = texts.get("code_kind", "")
    if picked in CODE_KINDS:
        return picked
    return FOLDER if texts.get("folder") and not texts.get("code") else FILES


def code_texts(code: object) -> dict[str, str]:
    """The form's texts for a document's `code`, but for the fields of a repository."""
    if isinstance(code, str):
        code = {GIT: code} if is_address(code) else {FOLDER: code}
    if not isinstance(code, Mapping):
        return {"code_kind": FILES, "code": "", "folder": ""}
    upload, folder = code.get("upload"), code.get("folder")
    kind = next((name for name in (GIT, FOLDER) if code.get(name) is not None), FILES)
    return {
        "code_kind": kind,
        "code": upload if isinstance(upload, str) else "",
        "folder": folder if isinstance(folder, str) else "",
    }


def repository_of(code: object) -> object:
    """The mapping of a document's repository, which may stand there as one text."""
    text = code.get("git") if isinstance(code, Mapping) else code
    if isinstance(text, str) and (isinstance(code, Mapping) or is_address(text)):
        return split_address(text).document()
    return text if isinstance(text, Mapping) else {}


def read_requirements(text: str) -> JSONValue:
    """One line with a file's name, or a list of lines; None for nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    if len(lines) == 1 and FILE_NAME.fullmatch(lines[0]):
        return lines[0]
    named = [line for line in lines if not line.startswith("#")]
    return [*lines] if named else []


def write_requirements(value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        return ""
    return "\n".join(str(line) for line in value) or NOTHING


@dataclass(frozen=True)
class KeptFiles:
    """A snapshot in words: `train.py, digits.csv.gz` and `2 files, 412 kB`."""

    digest: str
    names: str
    size: str

    @classmethod
    def of(cls, snapshot: CodeSnapshot) -> KeptFiles:
        paths = [str(file["path"]) for file in snapshot.files]
        few = paths[:MAX_NAMES]
        if len(paths) > MAX_NAMES:
            few.append(f"{len(paths) - MAX_NAMES} more")
        names = listed(few) if len(paths) > MAX_NAMES else ", ".join(few)
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
        raise snapshots.SnapshotError(
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
            raise snapshots.SnapshotError(
                f"Two files have the name {name!r}. Choose their folder, or a zip."
            )
        contents[name] = file.read()
    return contents


def script_of(command: str) -> str:
    """The first Python file that a command names, as a path inside the code; empty
    where it names none, or one by its whole path."""
    try:
        words = split_command(command)
    except CommandError:
        return ""
    for word in words:
        if _names_a_script(word):
            return "" if word.startswith("/") else posixpath.normpath(word)
    return ""


def missing_script(command: str, paths: Collection[str]) -> str:
    """What to say where the command's script is not among the paths, else nothing."""
    script = script_of(command)
    if not script or script in paths:
        return ""
    return (
        f"{script} is not among the files; the command runs only if it is on the"
        " workers."
    )


def _names_a_script(word: str) -> bool:
    plain = not any(letter.isspace() for letter in word) and "${{" not in word
    return plain and word.endswith(".py") and not word.startswith("-")
