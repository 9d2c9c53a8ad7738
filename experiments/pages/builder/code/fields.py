"""Fields for a trial's code: files, git or a folder, and its requirements."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, Max

from experiments import access
from experiments.code import snapshots
from experiments.formatting import bytes_text
from experiments.models import CodeSnapshot, Sweep, Team, User
from experiments.search.document.code import is_address, split_address
from experiments.search.document.command import CommandError, split_command
from experiments.search.fields import listed
from experiments.search.records import JSONValue
from experiments.search.wording import counted

FILES, GIT, FOLDER = "files", "git", "folder"
CODE_KINDS = (FILES, GIT, FOLDER)
# One line with the name of a file in the code, rather than a package.
FILE_NAME = re.compile(r"[^\s=<>~!@\[\];]+\.(?:txt|in|lock)")
# A list without packages: an empty environment.
NOTHING = "# no packages"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_NAMES = 3
# The file that pasted code becomes.
PASTED_NAME = "train.py"
MAX_EARLIER = 12
DIGEST = re.compile(r"[0-9a-f]{8,64}")


def code_kind(texts: Mapping[str, str]) -> str:
    """The picked source of the code; without a pick, the one that has a value."""
    picked = texts.get("code_kind", "")
    if picked in CODE_KINDS:
        return picked
    return FOLDER if texts.get("folder") and not texts.get("code") else FILES


def code_texts(code: object) -> dict[str, str]:
    """The form's texts for a document's `code`, without those of a repository."""
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
    """The mapping of a document's repository, which may be written as one text."""
    text = code.get("git") if isinstance(code, Mapping) else code
    if isinstance(text, str) and (isinstance(code, Mapping) or is_address(text)):
        return split_address(text).document()
    return text if isinstance(text, Mapping) else {}


def read_requirements(text: str) -> JSONValue:
    """The name of a file, or a list of packages; None for an empty text."""
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


@dataclass(frozen=True)
class EarlierFiles(KeptFiles):
    """Files that a team has, and what uses them."""

    used_by: str = ""


def earlier_files(team: Team, user: User) -> list[EarlierFiles]:
    """The team's latest files, newest first."""
    mine = access.code_for(user).filter(team=team).order_by("-created_at")
    counted_users = mine.annotate(users=Count("sweeps"), newest=Max("sweeps"))
    latest = list(counted_users[:MAX_EARLIER])
    sweeps = Sweep.objects.select_related("experiment").in_bulk(
        [each.newest for each in latest if each.newest]
    )
    return [
        EarlierFiles(
            **vars(KeptFiles.of(each)),
            used_by=_users_words(sweeps.get(each.newest), each.users),
        )
        for each in latest
    ]


def _users_words(newest: Sweep | None, count: int) -> str:
    """`digits-3 and 2 more`."""
    if newest is None:
        return ""
    return f"{newest} and {count - 1} more" if count > 1 else str(newest)


def keep_pasted(team: Team, code: str, *, user: User) -> CodeSnapshot:
    """Store pasted code as the script of a trial. Raises SnapshotError."""
    if not code.strip():
        raise snapshots.SnapshotError("Paste the code of a script first.")
    text = code.replace("\r\n", "\n").encode(errors="replace")
    return snapshots.store_files(team, {PASTED_NAME: text}, user=user)


def keep_files(
    team: Team, files: Sequence[UploadedFile[bytes]], *, paths: str, user: User
) -> CodeSnapshot:
    """Store the files as a snapshot; a single archive is unpacked.

    `paths` is a JSON list of the files' paths in their folder, since a browser sends
    only names. Raises CodeError.
    """
    size = sum(file.size or 0 for file in files)
    if size > settings.UPLOAD_LIMIT_BYTES:
        raise snapshots.SnapshotError(
            f"The files take {size / 1e6:.1f} MB; the limit is"
            f" {settings.UPLOAD_LIMIT_BYTES >> 20} MB (SWEEPSITE_UPLOAD_MB)."
        )
    names = _paths(files, paths)
    if len(files) == 1 and str(names[0]).lower().endswith(ARCHIVES):
        return snapshots.store_archive(team, files[0].read(), user=user)
    return snapshots.store_files(team, _contents(files, names), user=user)


def kept_files(team: Team, user: User, digest: str) -> CodeSnapshot | None:
    """The team's only snapshot whose digest starts so, if the user may see it."""
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
                f"Two files have the name {name!r}. Choose their folder or an archive."
            )
        contents[name] = file.read()
    return contents


def script_of(command: str) -> str:
    """The first Python file in a command, as a path inside the code; empty if it has
    none, or an absolute path."""
    try:
        words = split_command(command)
    except CommandError:
        return ""
    for word in words:
        if _names_a_script(word):
            return "" if word.startswith("/") else posixpath.normpath(word)
    return ""


def missing_script(command: str, paths: Collection[str]) -> str:
    """The warning if the command's script is not among the paths; otherwise empty."""
    script = script_of(command)
    if not script or script in paths:
        return ""
    return (
        f"{script} is not among the files. The command works only if the workers have"
        " it."
    )


def _names_a_script(word: str) -> bool:
    plain = not any(letter.isspace() for letter in word) and "${{" not in word
    return plain and word.endswith(".py") and not word.startswith("-")
