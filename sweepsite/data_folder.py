"""The data folder, and what is read from it before anything else: the secret key, and
the addresses of an ``up`` that runs on it."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

PROJECT = Path(__file__).resolve().parent.parent
MIN_KEY_LENGTH = 32
# Of keys that were made here, which are longer.
MIN_KEPT_LENGTH = 50
# It works without an installation, so it must not make a data folder.
CHECKS_ONLY = sys.argv[1:3] == ["sweep", "check"]


def home_folder() -> Path:
    folder = Path(os.environ.get("SWEEPSITE_HOME", "") or PROJECT / ".sweepsite")
    if CHECKS_ONLY:
        return folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close(folder)
    except OSError as error:
        raise ImproperlyConfigured(
            f"SWEEPSITE_HOME is {str(folder)!r}, which cannot be made or opened:"
            f" {error.strerror}."
        ) from error
    return folder.resolve()


def _close(folder: Path) -> None:
    """Only its owner may enter: it holds the secret key and all teams' files."""
    status = folder.stat()
    if os.geteuid() not in (0, status.st_uid):
        raise ImproperlyConfigured(
            f"SWEEPSITE_HOME is {str(folder)!r}, which belongs to another user (number"
            f" {status.st_uid}), who could read and change all data. Use a folder of"
            " your own."
        )
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        folder.chmod(mode & 0o700)
        _warn(
            f"other users could enter {folder} (mode {mode:o}); it is now closed to"
            " them."
        )


def _warn(text: str) -> None:
    print(f"sweepsite: {text}", file=sys.stderr)


def secret_keys(folder: Path) -> list[str]:
    """The key that signs, then older ones whose signatures still count.

    The first is SWEEPSITE_SECRET_KEY, or the first line of a file that is made at the
    first start.
    """
    given = os.environ.get("SWEEPSITE_SECRET_KEY", "")
    older = os.environ.get("SWEEPSITE_SECRET_KEY_FALLBACKS", "").split(",")
    return [
        *([_long_enough(given, "SWEEPSITE_SECRET_KEY")] if given else _kept(folder)),
        *(_long_enough(k, "SWEEPSITE_SECRET_KEY_FALLBACKS") for k in older if k),
    ]


def _kept(folder: Path) -> list[str]:
    path = folder / "secret_key"
    if CHECKS_ONLY and not path.exists():
        return [secrets.token_urlsafe(50)]
    if not path.exists():
        _make_secret_key(path)
        if any((folder / used).exists() for used in ("static", "sweepsite.sqlite3")):
            _warn(f"{path} was missing. It is new now, so everyone must log in again.")
    if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        path.chmod(0o600)
        _warn(f"other users could read {path} (mode {mode:o}); it is now closed.")
    # Other bytes than text make it too short.
    keys = path.read_bytes().decode(errors="ignore").split()
    shortest = min(map(len, keys), default=0)
    if shortest < MIN_KEPT_LENGTH:
        raise ImproperlyConfigured(
            f"{path} is damaged: it has a key of {shortest} characters; at least"
            f" {MIN_KEPT_LENGTH} are needed."
            " Restore it from a backup, or delete it: then a new key is made, and"
            " everyone must log in again."
        )
    return keys


def _long_enough(key: str, name: str) -> str:
    if len(key) < MIN_KEY_LENGTH:
        raise ImproperlyConfigured(
            f"{name} has a key of {len(key)} characters; at least {MIN_KEY_LENGTH} are"
            " needed."
        )
    return key


def _make_secret_key(path: Path) -> None:
    """Write all of it or nothing: if two start at once, both read the first one's
    key."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name) as file:
        file.write(secrets.token_urlsafe(50))
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)


def address_from_up(folder: Path, name: str) -> str:
    """The address that an ``up`` on this folder wrote into a file; empty: none runs.

    One that was killed leaves its files, but not its lock.
    """
    try:
        text = (folder / name).read_text(errors="replace").strip()
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return text
    except FileNotFoundError:
        return ""
    return ""
