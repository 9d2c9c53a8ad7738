"""Code from a folder on the worker's disk, copied for each trial.

A copy, because trials must not write into each other's files, and because an edit of
the folder must not change what a running trial reads.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from experiments.runner.code import MAX_FILES, CodeError
from experiments.runner.folder import open_unlinked, size_in_words
from experiments.runner.sources import FolderSource

# Names of files and folders with keys and passwords. No pool can allow a path with one.
SECRET = frozenset(
    {
        ".aws",
        ".azure",
        ".boto",
        ".config",
        ".docker",
        ".git-credentials",
        ".gnupg",
        ".kaggle",
        ".kube",
        ".my.cnf",
        ".netrc",
        ".npmrc",
        ".password-store",
        ".pg_service.conf",
        ".pgpass",
        ".pki",
        ".pypirc",
        ".s3cfg",
        ".ssh",
        ".vault-token",
    }
)
NOT_OPENED = "is for keys and passwords, which no pool opens to sweeps"

MAX_BYTES = 200 << 20
# Hidden files and folders (.git, .venv, .sweepsite) are left out as well.
LEFT_OUT = frozenset({"__pycache__", "node_modules", "venv"})
# At the top: what a run of the script by hand has written. Each trial has its own.
OUTPUTS = "outputs"


def allowed_path(path: str, allowed: Sequence[str]) -> Path:
    """The path with every link resolved.

    Raises CodeError if it leads outside the `allowed` folders, whose links are resolved
    as well, or to keys and passwords.
    """
    if not os.path.isabs(path) or ".." in Path(path).parts:
        raise CodeError(
            f"{path!r} is not an absolute path without .., such as /srv/code"
        )
    real = Path(os.path.realpath(path))
    if not is_inside(real, resolved(allowed)):
        raise CodeError(
            f"{path} is not in a folder that the worker's pool allows; allowed are "
            f"{', '.join(allowed) or 'none'}. An admin can add it to the pool"
        )
    if secret := secret_part(real):
        raise CodeError(f"{path} leads to {real}, and {secret} {NOT_OPENED}")
    return real


def resolved(allowed: Sequence[str]) -> list[Path]:
    """The allowed folders with every link resolved; a relative path allows nothing."""
    return [Path(os.path.realpath(each)) for each in allowed if os.path.isabs(each)]


def is_inside(real: Path, homes: Sequence[Path]) -> bool:
    """Whether a resolved path is one of the resolved folders, or inside one."""
    return any(real.is_relative_to(home) for home in homes)


def secret_part(path: PurePath) -> str:
    """The part of a path under which keys and passwords are kept; empty: none."""
    return next((part for part in path.parts if part.lower() in SECRET), "")


@dataclass(frozen=True)
class Copied:
    """How many files and bytes were copied."""

    files: int
    size: int

    def __str__(self) -> str:
        noun = "file" if self.files == 1 else "files"
        return f"{self.files:,} {noun}, {size_in_words(self.size)},"


def copy(source: FolderSource, target: Path, *, show: Callable[[], None]) -> Copied:
    """Copy the folder's files into `target`; calls `show` between them.

    Links to files are followed, links to folders stay links, and a link out of the
    allowed folders is an error. Raises CodeError, before any copy if the folder is too
    large.
    """
    folder = allowed_path(source.folder, source.allowed)
    if not folder.is_dir():
        raise CodeError(f"there is no folder {source.folder} on this worker")
    paths, copied = _look(folder, source, show)
    for path, real in paths:
        show()
        _put(real, target / path.relative_to(folder))
    return copied


def _look(
    folder: Path, source: FolderSource, show: Callable[[], None]
) -> tuple[list[tuple[Path, Path]], Copied]:
    """Each path with its target, and the amounts. It stops at the limits, since the
    folder may hold millions of files on a slow disk."""
    homes = resolved(source.allowed)
    paths: list[tuple[Path, Path]] = []
    size = 0
    for path in _inside(folder, show):
        show()
        real = _checked(path, source, homes)
        paths.append((path, real))
        size += _size(real)
        if len(paths) > MAX_FILES or size > MAX_BYTES:
            raise _too_much(len(paths), size, source.folder)
    return paths, Copied(len(paths), size)


def _inside(folder: Path, show: Callable[[], None]) -> Iterator[Path]:
    """Files, and links to folders."""
    for parent, folders, names in os.walk(folder):
        show()
        kept = kept_folders(folders, top=Path(parent) == folder)
        links = [name for name in kept if (Path(parent) / name).is_symlink()]
        folders[:] = [name for name in kept if name not in links]
        yield from (Path(parent) / name for name in names if is_kept(name))
        yield from (Path(parent) / name for name in links)


def kept_folders(names: Sequence[str], *, top: bool) -> list[str]:
    """The subfolders that belong to the code; `top`: of the outermost folder."""
    return [n for n in names if is_kept(n) and not (top and n == OUTPUTS)]


def is_kept(name: str) -> bool:
    return not name.startswith(".") and name not in LEFT_OUT


def _checked(path: Path, source: FolderSource, homes: Sequence[Path]) -> Path:
    real = Path(os.path.realpath(path))
    if not is_inside(real, homes):
        raise CodeError(
            f"{path} is a link to {real}, outside the folders that the pool allows "
            f"({', '.join(source.allowed)})"
        )
    if secret := secret_part(real):
        raise CodeError(f"{path} is a link to {real}, and {secret} {NOT_OPENED}")
    if not (real.is_file() or real.is_dir()):
        raise CodeError(f"{path} is neither a file nor a folder")
    return real


def _size(real: Path) -> int:
    return real.stat().st_size if real.is_file() else 0


def _too_much(files: int, size: int, folder: str) -> CodeError:
    return CodeError(
        f"{folder} has {files:,} files of {size_in_words(size)} or more; each trial "
        f"gets a copy of its code, so at most {MAX_FILES:,} files of "
        f"{size_in_words(MAX_BYTES)} are allowed. Keep data in another folder and name "
        "it in the command"
    )


def _put(real: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if real.is_dir():
        target.symlink_to(real, target_is_directory=True)
        return
    # A trial that can write here may have put a link since it was checked.
    with open_unlinked(real, top=Path("/")) as content:
        mode = os.fstat(content.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise CodeError(f"{real} is neither a file nor a folder")
        with target.open("wb") as written:
            shutil.copyfileobj(content, written)
        target.chmod(stat.S_IMODE(mode))
