"""Turns a sweep's command into a program to start, or into an error for its author."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.runner.outcome import NotStarted, not_started, worker_problem

PYTHON_NAMES = ("python", "python3")
PYTHON_OVERRIDE = "SWEEPSITE_PYTHON"


SCARCITY = frozenset(
    {
        errno.EAGAIN,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EROFS,
    }
)


def resolve(
    argv: Sequence[str],
    *,
    chosen: Mapping[str, str],
    worker: Mapping[str, str],
    python: str = "",
) -> list[str]:
    """`argv` with a plain "python" replaced by the interpreter it stands for.

    That is `python` if the sweep or its pool names one, else the one on the PATH that
    the sweep sets (`chosen` is the sweep's environment), else the worker's
    SWEEPSITE_PYTHON, else the interpreter that runs the worker.
    """
    if argv[0] not in PYTHON_NAMES:
        return list(argv)
    if python:
        return [python, *argv[1:]]
    own = worker.get(PYTHON_OVERRIDE) or sys.executable
    path = chosen.get("PATH")
    found = shutil.which(argv[0], path=path) if path else None
    return [found or own, *argv[1:]]


def start_problem(problem: Exception, argv: Sequence[str], work: Path) -> NotStarted:
    """The failure of a start, in words for the person who wrote the command."""
    name = argv[0][:200]
    number = problem.errno if isinstance(problem, OSError) else None
    if number in SCARCITY:
        return worker_problem("the worker could not start a process", problem)
    if number == errno.ENOENT:
        return not_started("command_not_found", _not_found(name, work))
    if number == errno.EACCES:
        why = _not_allowed(name, work)
    elif number == errno.ENOEXEC:
        why = (
            f'"{name}" is not a program: a script needs a first line such as '
            "#!/bin/sh, or its interpreter in the command"
        )
    elif number == errno.E2BIG:
        why = (
            "the command's arguments and environment are longer than the system "
            "allows; put long values into a file"
        )
    else:
        why = f'"{name}" could not be started: {problem}'
    return not_started("not_executable", why)


def _not_found(name: str, work: Path) -> str:
    if "/" in name:
        script = work / name
        if script.is_file():
            return f'"{name}" exists, but the interpreter in its first line does not'
        return f'the command "{name}" does not exist in the code or on the worker'
    if (work / name).is_file():
        return f'the command "{name}" is not on PATH; for the file write "./{name}"'
    return f'the command "{name}" was not found on the worker\'s PATH'


def _not_allowed(name: str, work: Path) -> str:
    path = work / name
    if path.is_dir():
        return f'"{name}" is a folder, not a program'
    if path.is_file() and not os.access(path, os.X_OK):
        return (
            f'the file "{name}" is not executable: run chmod +x on it before it is '
            f'packed, or name its interpreter, as in "sh {name}"'
        )
    return f'the worker may not execute "{name}"'
