"""Keeps passwords and tokens out of the environment that other processes can read.

Until a program ends, the kernel shows the environment that it was started with. So a
process wipes its own at the start, and gets secrets through a file without a name.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TypedDict

from experiments.runner.environment import without_secrets
from experiments.runner.signals import LINUX, hide_memory

# The number of the open file with the secrets, for a child.
FILE = "SWEEPSITE_SEALED"
# Its fields with the first and the last address of the environment, from the name on.
STATUS, ENVIRONMENT_FIELDS = Path("/proc/self/stat"), slice(47, 49)


class Given(TypedDict, total=False):
    """Arguments of Popen."""

    env: dict[str, str]
    pass_fds: tuple[int, ...]


def protect() -> None:
    """Hide this process's memory and secrets from others of the same user. Call it
    before anything else."""
    hide_memory()
    public = without_secrets(os.environ)
    secrets = {n: v for n, v in os.environ.items() if n not in public}
    if secrets and LINUX:
        _wipe(secrets)
    if number := os.environ.pop(FILE, ""):
        with open(int(number)) as file:
            secrets |= json.load(file)
    # The C library reads its own copy, which the kernel does not show.
    os.environ.update(secrets)


def _wipe(names: Mapping[str, str]) -> None:
    fields = STATUS.read_text().rpartition(")")[2].split()
    position, end = map(int, fields[ENVIRONMENT_FIELDS])
    for entry in ctypes.string_at(position, end - position).split(b"\0"):
        name, _, value = entry.partition(b"=")
        if os.fsdecode(name) in names:
            ctypes.memset(position + len(name) + 1, 0, len(value))
        position += len(entry) + 1


@contextlib.contextmanager
def sealed(environment: Mapping[str, str]) -> Iterator[Given]:
    """What gives this environment to a child that calls `protect`."""
    public = without_secrets(environment)
    with _nameless() as file:
        json.dump({n: v for n, v in environment.items() if n not in public}, file)
        file.flush()
        file.seek(0)
        number = file.fileno()
        yield {"env": {**public, FILE: str(number)}, "pass_fds": (number,)}


def _nameless() -> IO[str]:
    """A file that only its descriptor reaches."""
    if LINUX:
        return open(os.memfd_create("secrets"), "w+")
    return tempfile.TemporaryFile("w+")
