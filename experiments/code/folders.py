"""Folders of training code: on this machine, uploaded as a snapshot, and on
workers, if a pool allows them.

Everybody who can submit a sweep can read a pool's folders. So folders with keys, system
settings or the site's own data are refused. These checks compare paths; the worker
checks again with all links resolved.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from experiments.code import snapshots
from experiments.code.snapshots import MAX_FILES, SnapshotError
from experiments.models import Pool, Team, User
from experiments.runner.shared_folder import is_kept, kept_folders, secret_part
from experiments.search.document.definition import SweepDefinition
from experiments.search.document.loading import MAX_CHARACTERS
from experiments.search.fields import DefinitionError, Problem, cut, shown

MAX_FOLDERS = 50
MAX_LENGTH = 1_000
MAX_SHOWN = 200
FILE = "file://"
# Refused with everything in them.
SYSTEM = ("/etc", "/proc", "/sys", "/dev", "/boot", "/run", "/var/run", "/var/log")
# Refused themselves; folders in them are allowed.
WHOLE: Mapping[str, str] = {
    "/": "would open every file of the hosts",
    "/root": "is the home of the hosts\N{RIGHT SINGLE QUOTATION MARK} administrator",
    "/home": "holds the files of all users",
    **dict.fromkeys(("/usr", "/var", "/var/lib"), "holds the system itself"),
}
# Folders directly in these are refused themselves; folders in those are allowed.
HOMES: Mapping[str, str] = {
    "/root": "is directly in the administrator\N{RIGHT SINGLE QUOTATION MARK}s home",
    "/home": "is a home folder",
}


def refused(sentence: str) -> DefinitionError:
    return DefinitionError([Problem("trial.code", sentence)])


def with_stored_code(
    document: Mapping[str, Any], folder: Path, team: Team, *, user: User | None
) -> dict[str, Any]:
    """The document, with the files of its ``code`` folder uploaded."""
    try:
        snapshot = snapshots.store_files(team, read_folder(folder), user=user)
    except SnapshotError as error:
        raise refused(str(error)) from error
    return {
        **document,
        "trial": {**document["trial"], "code": {"upload": snapshot.digest}},
    }


def read_folder(folder: Path) -> dict[str, bytes]:
    """Content by relative POSIX path, for all files that are not left out.

    Follows links to files, not to folders. Raises DefinitionError if it is not a
    folder, or too large.
    """
    if not folder.is_dir():
        raise refused(f"There is no folder {str(folder)!r}.")
    sizes = dict(_sizes(folder))
    _check(folder, sizes)
    try:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(sizes)
        }
    except OSError as error:
        raise refused(f"{error.filename} cannot be read: {error.strerror}.") from error


def reader_of(folder: Path) -> Callable[[str], str | None]:
    """Reads the texts of a folder by relative path; None for anything else."""
    top = folder.resolve()

    def text_of(path: str) -> str | None:
        file = (top / path).resolve()
        try:
            is_text = file.is_relative_to(top) and file.is_file()
            if not is_text or file.stat().st_size > MAX_CHARACTERS:
                return None
            return file.read_text("utf-8-sig")
        except (OSError, ValueError):
            return None

    return text_of


def _sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = kept_folders(folders, top=Path(parent) == folder)
        for path in (Path(parent) / name for name in names if is_kept(name)):
            if path.is_file():
                yield path, path.stat().st_size


def _check(folder: Path, sizes: dict[Path, int]) -> None:
    """Check the number and sizes of files before reading them."""
    if len(sizes) > MAX_FILES:
        raise refused(
            f"{folder} has {len(sizes):,} files; at most {MAX_FILES:,} are allowed."
        )
    total, limit = sum(sizes.values()), settings.UPLOAD_LIMIT_BYTES
    if total > limit:
        largest = max(sizes, key=lambda path: sizes[path])
        raise refused(
            f"{folder} has {total / 1e6:.1f} MB of files, the largest is"
            f" {largest.relative_to(folder)}; at most {limit >> 20} MB are allowed"
            " (SWEEPSITE_UPLOAD_MB). Name a smaller folder as code."
        )


# --- the folders of a pool -------------------------------------------------------


class FoldersField(forms.CharField):
    """Absolute folders, one per line; the value is a list."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines()]
        return list(dict.fromkeys(tidy(line) for line in lines if line))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))

    def validate(self, value: Any) -> None:
        if len(value) > MAX_FOLDERS:
            raise ValidationError(
                f"At most {MAX_FOLDERS} folders; these are {len(value)}."
            )
        for folder in value:
            if why := refusal(folder):
                raise ValidationError(why)

    def run_validators(self, value: Any) -> None:
        """Those of CharField expect a text; this value is a list."""


def tidy(line: str) -> str:
    """An absolute path without doubled and trailing slashes; other lines unchanged."""
    if not line.startswith("/") or ".." in line.split("/"):
        return line
    return str(PurePosixPath("/", line.lstrip("/")))


def refusal(folder: str) -> str:
    """Why sweeps may not run code from this folder; empty if they may."""
    if not folder.startswith("/") or ".." in folder.split("/"):
        return (
            f"{shown(folder)} is not an absolute path without"
            " \N{LEFT DOUBLE QUOTATION MARK}..\N{RIGHT DOUBLE QUOTATION MARK}. Use one"
            " such as /srv/code."
        )
    if len(folder) > MAX_LENGTH:
        return (
            f"{cut(folder)} has {len(folder):,} characters; at most {MAX_LENGTH:,} are"
            " allowed."
        )
    if not folder.isprintable():
        return f"{shown(folder)} has unprintable characters. Remove them."
    # On the pool's hosts, links may point elsewhere.
    real = os.path.realpath(folder)
    why = _why(PurePosixPath(folder)) or _why(PurePosixPath(real))
    leads = f" (a link to {cut(real, most=MAX_SHOWN)})" if real != folder else ""
    return f"{cut(folder, most=MAX_SHOWN)}{leads} {why}" if why else ""


def _why(folder: PurePosixPath) -> str:
    advice = "Name a folder that holds code only, such as /srv/code."
    if (words := WHOLE.get(str(folder))) is not None:
        return f"{words}, and sweeps could read it all. {advice}"
    if any(folder.is_relative_to(each) for each in SYSTEM):
        return f"belongs to the system, and sweeps could read its secrets. {advice}"
    if (words := HOMES.get(str(folder.parent))) is not None:
        return (
            f"{words}, which may hold keys and passwords that sweeps could read."
            f" Name a folder in it that holds code only, such as"
            f" {cut(str(folder / 'code'), most=MAX_SHOWN)}."
        )
    if secret_part(folder):
        return f"holds keys and passwords, and sweeps could read them. {advice}"
    home = PurePosixPath(settings.HOME)
    if folder.is_relative_to(home) or home.is_relative_to(folder):
        return (
            f"holds the site\N{RIGHT SINGLE QUOTATION MARK}s own data"
            f" ({home}), and sweeps could read all teams"
            f"\N{RIGHT SINGLE QUOTATION MARK} files and the secret key. {advice}"
        )
    return ""


def with_shared_code(definition: SweepDefinition, pool: Pool) -> SweepDefinition:
    """The definition, in which a path that the pool allows becomes a folder.

    Raises DefinitionError if it names a folder that the pool does not allow.
    """
    code: Any = definition.trial.code
    if isinstance(code, str) and is_allowed(code, pool):
        folder = str(PurePosixPath(code))
        trial = replace(definition.trial, code={"folder": folder})
        return replace(definition, trial=trial)
    problem = shared_code_problem(code, pool)
    if problem is not None:
        raise DefinitionError((problem,))
    return definition


def shared_code_problem(code: object, pool: Pool) -> Problem | None:
    """The problem if a document's `code` is a folder that the pool does not allow."""
    if not isinstance(code, dict):
        return None
    if isinstance(code.get("folder"), str):
        return _problem("trial.code.folder", code["folder"], pool)
    git = code.get("git")
    url = git.get("url") if isinstance(git, dict) else None
    if isinstance(url, str) and url.startswith(FILE):
        return _problem("trial.code.git.url", unquote(url.removeprefix(FILE)), pool)
    return None


def is_allowed(path: str, pool: Pool) -> bool:
    """Whether a path is one of the pool's folders or inside one, by its text."""
    wanted = PurePosixPath(path)
    if not wanted.is_absolute() or ".." in wanted.parts or not path.isprintable():
        return False
    homes = (PurePosixPath(str(folder)) for folder in pool.folders)
    return any(
        wanted.is_relative_to(home)
        for home in homes
        if home.is_absolute() and ".." not in home.parts
    )


def _problem(path: str, folder: str, pool: Pool) -> Problem | None:
    if is_allowed(folder, pool):
        return None
    allowed = ", ".join(str(each) for each in pool.folders) or "none yet"
    return Problem(
        path,
        f"{folder} is not in a folder that pool {pool.name} allows: {allowed}. An admin"
        " can add it to the pool.",
    )
