"""Starts a runner as a process of its own; what a worker slot calls.

It is forked and not started anew: an interpreter that loads all of this again takes
more processor time than everything else about a short trial.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkProcess
from pathlib import Path

from experiments.runner import kernel
from experiments.runner.cgroup import VARIABLE as CGROUP
from experiments.runner.command import PYTHON_OVERRIDE
from experiments.runner.environment import EXTRA_NAMES, SLOT_MARKER, inherited
from experiments.runner.failpoints import CHOSEN, ONCE
from experiments.runner.limits import VARIABLES
from experiments.runner.session import GIVE_UP_AFTER, leave, run
from experiments.runner.tools import tool_settings

# What ``ps`` and ``top`` call it; the command stays that of its slot.
RUNNER = "trial-runner"
PROJECT = Path(__file__).resolve().parent.parent.parent
OWN_SETTINGS = (CGROUP, PYTHON_OVERRIDE, EXTRA_NAMES, CHOSEN, ONCE, *VARIABLES)
OPEN_FILES = Path("/proc/self/fd" if sys.platform.startswith("linux") else "/dev/fd")


def start_runner(
    spec: Mapping[str, object], *, home: Path, slot: str = ""
) -> ForkProcess:
    """Start a runner for an AttemptSpec (the claim's JSON) and hand it over.

    `home` is the worker's folder for attempts and code, `slot` a name that stays the
    same when the slot is started again (for `janitor.kill_slot`). Join the returned
    process; its exit code is what `session.run` returns. Send it SIGTERM to release
    the attempt. Call it from the main thread of a process without further threads:
    the runner is its copy, and ends itself when the calling thread is gone. Wait for it
    without a time limit: it closes what that goes by.
    """
    runner = multiprocessing.get_context("fork").Process(
        target=_become_runner,
        args=(dict(spec), home.absolute(), slot, os.getpid()),
    )
    runner.start()
    return runner


def _become_runner(
    spec: Mapping[str, object], home: Path, slot: str, parent: int
) -> None:
    gc.freeze()
    _close_inherited()
    environment = runner_environment(os.environ, slot=slot)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(PROJECT)
    kernel.name_process(RUNNER)
    document = json.dumps(spec).encode()
    leave(run(document, home=home, parent=parent, give_up_after=GIVE_UP_AFTER))


def _close_inherited() -> None:
    """Leave the worker's connections to the worker.

    Their numbers stay taken: an object that still believes in one may close it, and
    that must not hit a file of ours.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir(OPEN_FILES):
        if int(name) > 2:
            _replace(int(name), nothing)


def _replace(number: int, nothing: int) -> None:
    try:
        os.fstat(number)
    except OSError:  # The listing's own, gone with it.
        return
    if number != nothing:
        os.dup2(nothing, number, inheritable=False)


def runner_environment(worker: Mapping[str, str], *, slot: str) -> dict[str, str]:
    """What a runner hands on to git, pip and the training: none of the worker's
    secrets."""
    environment = inherited(worker)
    environment |= {name: worker[name] for name in OWN_SETTINGS if name in worker}
    environment |= tool_settings(worker)
    if slot:
        environment[SLOT_MARKER] = slot
    return environment
