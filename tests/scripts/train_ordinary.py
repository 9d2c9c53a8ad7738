"""Does what training scripts do besides training."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from multiprocessing import shared_memory
from pathlib import Path

import sweepsite_client as sweep


def double(number: int) -> int:
    return 2 * number


def temporary_files() -> None:
    with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        file.write(b"x")
        os.mkfifo(Path(folder, "pipe"))
        Path(folder, "link").symlink_to(file.name)


def processes() -> None:
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(double, [1, 2]) == [2, 4]
    with multiprocessing.Manager() as manager:
        manager.list([1]).append(2)


def memory() -> None:
    block = shared_memory.SharedMemory(create=True, size=100)
    block.close()
    block.unlink()


def programs() -> None:
    run("sh", "-c", "ls / > /dev/null 2>&1; echo hello > /dev/null && cat /etc/passwd")
    run("git", "init", "-q", "repository")
    run("git", "-C", "repository", *NAMES, "commit", "-q", "--allow-empty", "-m", "x")
    run("git", "clone", "-q", "repository", "copy")
    run(sys.executable, "-m", "venv", "--without-pip", "environment")
    run("environment/bin/python", "-c", "print(1)")


NAMES = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def folders() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "ordinary")
    config = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"), "mpl")
    for folder in (cache, config):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_text("x")
    shutil.rmtree(cache)


def moves() -> None:
    Path("checkpoint.tmp").write_text("x")
    os.replace("checkpoint.tmp", Path(sweep.outputs(), "checkpoint"))
    os.link(Path(sweep.outputs(), "checkpoint"), "hard")
    shutil.move("hard", Path(tempfile.gettempdir(), "moved"))


if __name__ == "__main__":
    for act in (temporary_files, processes, memory, programs, folders, moves):
        act()
        print(act.__name__, "works")
    if folder := os.environ.get("SHARED"):
        Path(folder, "shared").write_text("x")
    sweep.log(step=0, loss=0.5)
