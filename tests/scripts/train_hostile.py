"""Tries to leave its walls. It prints the name of each attempt that succeeds.

DATA: the site's data folder. PRIVATE: a file that it must not read. NAMES: of processes
that it must not touch, by their commands.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import sweepsite_client as sweep

DATA, PRIVATE = Path(os.environ["DATA"]), Path(os.environ["PRIVATE"])
SITE_CODE = Path(os.environ["SITE_CODE"])
OWN = Path(os.environ["SWEEPSITE_SPOOL"]).parents[1]
PTRACE_ATTACH = 16


def others() -> Iterator[Path]:
    """The folders in /proc of the site's processes and of other trials."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            name = (process / "comm").read_text().strip()
        except OSError:
            continue
        wanted = name == "trial-runner" or any(
            word in command
            for word in (b"manage.py", b"gunicorn", b"valkey", b"train_hang")
        )
        if wanted and int(process.name) != os.getpid():
            yield process


def read(path: Path) -> Callable[[], object]:
    assert path.exists(), path
    return path.read_bytes


def query_database() -> object:
    with sqlite3.connect(f"file:{DATA / 'sweepsite.sqlite3'}?mode=ro", uri=True) as db:
        return db.execute("SELECT password FROM experiments_user").fetchall()


def write_database() -> object:
    with sqlite3.connect(DATA / "sweepsite.sqlite3") as db:
        return db.execute("UPDATE experiments_user SET is_superuser = 1")


def any_of(action: Callable[[Path], object]) -> Callable[[], object]:
    """Whether it succeeds for any of the processes."""

    def attempt() -> object:
        found = list(others())
        assert len(found) >= 6, found
        for process in found:
            try:
                if action(process):
                    return process
            except OSError:
                continue
        raise PermissionError("none of them")

    return attempt


def ptrace(process: Path) -> bool:
    libc = ctypes.CDLL(None)
    return libc.ptrace(PTRACE_ATTACH, int(process.name), None, None) == 0


def ask_queue(*, path: Path = DATA / "queue.sock") -> object:
    with socket.socket(socket.AF_UNIX) as queue:
        queue.connect(str(path))
        queue.sendall(b"KEYS *\r\n")
        answer = queue.recv(1_000)
    if answer.startswith(b"-"):
        raise PermissionError(answer)
    return answer


def through_link() -> object:
    link = OWN / "work" / "link"
    link.symlink_to(DATA / "secret_key")
    return link.read_bytes()


def through_hard_link() -> object:
    os.link(DATA / "secret_key", OWN / "work" / "hard")
    return (OWN / "work" / "hard").read_bytes()


def fool_runner() -> object:
    """The runner reads and writes these files: a link there would lead it elsewhere,
    and a pipe would stop it."""
    link, pipe = OWN / "work" / "to-plant", OWN / "work" / "pipe"
    link.symlink_to(DATA / "secret_key")
    os.mkfifo(pipe)
    plants = (
        lambda path: path.symlink_to(DATA / "secret_key"),
        lambda path: os.link(DATA / "secret_key", path),
        lambda path: os.link(link, path, follow_symlinks=False),
        lambda path: os.rename(link, path),
        lambda path: os.mkfifo(path),
        lambda path: os.rename(pipe, path),
    )
    for suffix in ("stop", "seen", "client", "lock", "1.sending"):
        for plant in plants:
            path = OWN / "notes" / f"spool.jsonl.{suffix}"
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                plant(path)
                return path
    raise PermissionError("none of them")


def read_device() -> object:
    """Disks, and what else a trial does not need. It cannot list /dev."""
    names = [*os.listdir("/sys/block"), "console", "kmsg", "kvm"]
    devices = [path for name in names if (path := Path("/dev", name)).exists()]
    assert devices, names
    for device in devices:
        with contextlib.suppress(OSError):
            return os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    raise PermissionError("none of them")


def replace_log() -> object:
    (OWN / "log").unlink()
    return (OWN / "log").symlink_to(DATA / "secret_key") or True


def write(path: Path) -> Callable[[], object]:
    return lambda: path.open("a").close() or True


def rename_across() -> object:
    mine = OWN / "work" / "mine"
    mine.write_text("x")
    os.rename(mine, DATA / "mine")
    return True


def setuid_program() -> object:
    """NoNewPrivs stands for every program with the setuid bit."""
    status = Path("/proc/self/status").read_text()
    if "NoNewPrivs:\t1" in status:
        raise PermissionError
    return True


def mount() -> object:
    if ctypes.CDLL(None).mount(b"none", str(OWN / "work").encode(), b"tmpfs", 0, None):
        raise PermissionError
    return True


def through_child() -> object:
    """What a trial starts has its walls too."""
    command = ["cat", str(DATA / "secret_key")]
    return subprocess.run(command, check=True, capture_output=True).stdout


def other_trials() -> object:
    folders = [path for path in OWN.parent.iterdir() if path != OWN]
    return folders


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read secret_key": read(DATA / "secret_key"),
    "read the queue's password": read(DATA / "queue.conf"),
    "read the queue's address": read(DATA / "redis_url"),
    "read logs": read(DATA / "logs" / "web.log"),
    "read the database": query_database,
    "copy the database": lambda: shutil.copy(DATA / "sweepsite.sqlite3", OWN / "work"),
    "write the database": write_database,
    "empty the database": lambda: os.truncate(DATA / "sweepsite.sqlite3", 0) or True,
    "delete the database": lambda: (DATA / "sweepsite.sqlite3").unlink() or True,
    "list other trials": other_trials,
    "read another trial": read(Path(os.environ["OTHER"]) / "work" / "private"),
    "write another trial": write(Path(os.environ["OTHER"]) / "work" / "new"),
    "read the environment of processes": any_of(
        lambda process: (process / "environ").read_bytes()
    ),
    "read the memory of processes": any_of(
        lambda process: (process / "mem").open("rb").close() is None
    ),
    "open the files of processes": any_of(
        lambda process: os.open(process / "fd" / "1", os.O_WRONLY)
    ),
    "trace processes": any_of(ptrace),
    "signal processes": any_of(
        lambda process: os.kill(int(process.name), signal.SIGCONT) is None
    ),
    "kill the runner": lambda: os.kill(os.getppid(), signal.SIGKILL) or True,
    "ask the queue": ask_queue,
    "read through a link": through_link,
    "read through a hard link": through_hard_link,
    "fool the runner": fool_runner,
    "replace the log": replace_log,
    "move out": rename_across,
    "write the site's code": write(SITE_CODE / "manage.py"),
    "write the interpreter": write(Path(sys.prefix) / "pyvenv.cfg"),
    "read private files": read(PRIVATE),
    "write the home folder": write(Path.home() / ".bashrc"),
    "read devices": read_device,
    "write kernel settings": write(Path("/proc/sys/kernel/core_pattern")),
    "use setuid programs": setuid_program,
    "mount": mount,
    "leave through a child": through_child,
}

escapes = []
for name, attempt in ATTEMPTS.items():
    try:
        if attempt():
            escapes.append(name)
    except (OSError, sqlite3.Error, subprocess.SubprocessError):
        continue
print("tried", len(ATTEMPTS))
print("escapes", escapes)
sweep.log(step=0, loss=len(escapes))
