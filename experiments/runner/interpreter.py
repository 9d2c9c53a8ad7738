"""Which Python a trial gets, and how that is the first one it finds."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from experiments.runner.command import PYTHON_NAMES, resolve
from experiments.runner.environment import DEFAULT_PATH
from experiments.runner.prepared import Prepared
from experiments.runner.unstarted import python_missing, worker_problem


def find_python(
    named: str, *, chosen: Mapping[str, str], worker: Mapping[str, str], work: Path
) -> str:
    """The whole path of the interpreter that a sweep or its pool names.

    An empty name is the worker's own, as without any of this. `work` is the folder
    that a relative path such as .venv/bin/python starts from. Raises Unstarted.
    """
    wanted = named or resolve([PYTHON_NAMES[0]], chosen=chosen, worker=worker)[0]
    path = chosen.get("PATH") or worker.get("PATH") or DEFAULT_PATH
    if "/" in wanted:
        whole = os.path.join(work, os.path.expanduser(wanted))
        found = whole if os.path.isfile(whole) and os.access(whole, os.X_OK) else None
    else:
        found = shutil.which(wanted, path=path)
    if found is None:
        raise python_missing(_missing(wanted, work))
    return os.path.abspath(found)


def wrapped(python: str, programs: Path, *, worker: Mapping[str, str]) -> Prepared:
    """Have `python` and `python3` mean this interpreter inside a trial, too.

    Two small scripts do that: its own folder may be one like /usr/bin, which must not
    go before what an administrator has put first, and a link would cut an interpreter
    off from its virtual environment. Raises Unstarted.
    """
    script = f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n'
    try:
        programs.mkdir(exist_ok=True)
        for name in PYTHON_NAMES:
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
    except OSError as problem:
        raise worker_problem(f"no room for the trial's files: {problem}") from problem
    own = os.path.dirname(python)
    known = worker.get("PATH", DEFAULT_PATH).split(os.pathsep)
    path = (str(programs),) if own in known else (str(programs), own)
    return Prepared(python=python, path=path)


def _missing(wanted: str, work: Path) -> str:
    there = os.path.exists(os.path.join(work, os.path.expanduser(wanted)))
    if "/" in wanted and there:
        what = f'the Python interpreter "{wanted}" may not be executed on the worker'
    else:
        what = f'there is no Python interpreter "{wanted}" on the worker'
    return (
        f"{what}; install it there, or name another one as trial.python in the sweep "
        "or as the pool's Python"
    )
