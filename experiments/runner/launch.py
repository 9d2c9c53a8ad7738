"""Starts a runner as a process of its own; what a worker slot calls.

It is forked and not started anew: an interpreter that loads all of this again takes
more processor time than everything else about a short trial.

A runner's process: its session, its ties to the worker, one attempt, its end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import NoReturn

from experiments.runner import signals
from experiments.runner.attempt import AttemptRun, WorkerContext
from experiments.runner.command import PYTHON_OVERRIDE
from experiments.runner.environment import (
    EXTRA_NAMES,
    SLOT_MARKER,
    inherited,
    tool_settings,
)
from experiments.runner.failpoints import CHOSEN, ONCE, failpoint
from experiments.runner.limits import CGROUP_VARIABLE, LIMIT_VARIABLES
from experiments.runner.signals import Signals
from experiments.runner.spec import SpecError, parse_spec

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = 600.0
BAD_SPEC = 2


def run(document: bytes, *, home: Path, parent: int, give_up_after: float) -> int:
    """Run the attempt that an AttemptSpec as JSON describes, in this process.

    `parent` is the process to end with, `give_up_after` as in `Worker`. Returns 0 when
    the site has everything (or does not want it any more), 1 when something had to stay
    in the attempt's folder, 2 for a specification that cannot be read.
    """
    received = Signals()
    received.install()
    _tie_to_parent(parent, received)
    try:
        spec = parse_spec(document)
    except SpecError as problem:
        logger.error("%s", problem)
        return BAD_SPEC
    failpoint("start.read")
    worker = WorkerContext(
        home=home,
        environment=dict(os.environ),
        parent=parent,
        give_up_after=give_up_after,
    )
    return AttemptRun(spec, worker=worker, signals=received).run()


def leave(code: int) -> NoReturn:
    """End without taking the interpreter apart, which would take long: by now
    everything is delivered, and what still runs are daemon threads."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _tie_to_parent(parent: int, received: Signals) -> None:
    """Get SIGTERM when the worker's process dies, also if it has died already.

    The session of its own keeps a signal to the worker's process group from here: the
    runner must outlive it for the seconds that an orderly release takes.
    """
    with contextlib.suppress(PermissionError):
        os.setsid()
    signals.die_with_parent(signal.SIGTERM)
    if not signals.parent_is(parent):
        received.terminations += 1


# What ``ps`` and ``top`` call it; the command stays that of its slot.
RUNNER = "trial-runner"
PROJECT = Path(__file__).resolve().parent.parent.parent
OWN_SETTINGS = (
    CGROUP_VARIABLE,
    PYTHON_OVERRIDE,
    EXTRA_NAMES,
    CHOSEN,
    ONCE,
    *LIMIT_VARIABLES,
)
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
    signals.name_process(RUNNER)
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
