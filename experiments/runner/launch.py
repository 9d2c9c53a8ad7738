"""Starts a runner as a process of its own; a worker's slot calls this.

The slot forks it: a new interpreter that loads all of this again would take more
processor time than everything else in a short trial.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import multiprocessing
import os
import pwd
import signal
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import NoReturn

from experiments.runner import ends, signals
from experiments.runner.attempt import AttemptRun, WorkerContext
from experiments.runner.command import PYTHON_OVERRIDE
from experiments.runner.environment import (
    EXTRA_NAMES,
    SLOT_MARKER,
    inherited,
    tool_settings,
)
from experiments.runner.failpoints import CHOSEN, ONCE, failpoint
from experiments.runner.folder import AttemptFolder
from experiments.runner.limits import CGROUP_VARIABLE, LIMIT_VARIABLES
from experiments.runner.signals import Signals
from experiments.runner.spec import SpecError, parse_spec
from experiments.runner.walls import SETTINGS

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = 600.0
BAD_SPEC = 2

# The user as whom a worker of root runs trials.
RUN_AS = "SWEEPSITE_RUN_AS"
# Its name in ``ps`` and ``top``; its command line stays the slot's.
RUNNER = "trial-runner"
PROJECT = Path(__file__).resolve().parent.parent.parent
OWN_SETTINGS = (
    CGROUP_VARIABLE,
    PYTHON_OVERRIDE,
    EXTRA_NAMES,
    CHOSEN,
    ONCE,
    *LIMIT_VARIABLES,
    *SETTINGS,
)
OPEN_FILES = Path("/proc/self/fd" if sys.platform.startswith("linux") else "/dev/fd")


def run(document: bytes, *, home: Path, parent: int, give_up_after: float) -> int:
    """Run the attempt that an AttemptSpec as JSON describes, in this process.

    It ends when the process `parent` ends; `give_up_after` as in `WorkerContext`.
    Returns 0 when the site has everything (or no longer wants it), 1 when something had
    to stay in the attempt's folder, 2 for an invalid specification.
    """
    received = _received_signals(parent)
    try:
        spec = parse_spec(document)
    except SpecError as problem:
        logger.error("%s", problem)
        return BAD_SPEC
    failpoint("start.read")
    worker = _worker(home, parent, give_up_after)
    return AttemptRun(spec, worker=worker, signals=received).run()


def deliver(folder: AttemptFolder, *, home: Path, parent: int, url: str) -> int:
    """Deliver the end that a killed runner has left; otherwise like `run`."""
    received = _received_signals(parent)
    worker = _worker(home, parent, GIVE_UP_AFTER)
    with ends.taken_over(folder, url=url) as end:
        if end is None:
            return 0
        return AttemptRun(end.spec, worker=worker, signals=received).deliver(end)


def _received_signals(parent: int) -> Signals:
    received = Signals()
    received.install()
    _tie_to_parent(parent, received)
    return received


def _worker(home: Path, parent: int, give_up_after: float) -> WorkerContext:
    return WorkerContext(
        home=home,
        environment=dict(os.environ),
        parent=parent,
        give_up_after=give_up_after,
    )


def leave(code: int) -> NoReturn:
    """End at once: everything is delivered, only daemon threads still run, and an
    orderly exit of the interpreter would take long."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _tie_to_parent(parent: int, received: Signals) -> None:
    """Get SIGTERM when the worker's process dies, even if it has already died.

    In its own session the runner gets no signal to the worker's process group: it needs
    some more seconds for an orderly release.
    """
    with contextlib.suppress(PermissionError):
        os.setsid()
    signals.die_with_parent(signal.SIGTERM)
    if not signals.parent_is(parent):
        received.terminations += 1


def start_runner(
    spec: Mapping[str, object], *, home: Path, slot: str = ""
) -> ForkProcess:
    """Start a runner for an AttemptSpec (the claim's JSON) and return its process.

    `home` is the worker's folder for attempts and code, `slot` a name that stays the
    same when the slot starts again (for `cleanup.kill_slot`). The exit code is what
    `run` returns. SIGTERM releases the attempt. Call it from the main thread of a
    process without other threads: the runner is its copy, and ends when that thread
    ends. Join it without a time limit: it closes the file that a timeout relies on.
    """
    runner = multiprocessing.get_context("fork").Process(
        target=_become_runner,
        args=(dict(spec), home.absolute(), slot, os.getpid()),
    )
    runner.start()
    return runner


def start_delivery(folder: AttemptFolder, *, home: Path, url: str) -> ForkProcess:
    """Start a process that delivers a kept end, like `start_runner`; `url` is the
    site's address."""
    delivery = multiprocessing.get_context("fork").Process(
        target=_become_delivery, args=(folder, home.absolute(), os.getpid(), url)
    )
    delivery.start()
    return delivery


def _become_delivery(folder: AttemptFolder, home: Path, parent: int, url: str) -> None:
    _leave_worker("")
    leave(deliver(folder, home=home, parent=parent, url=url))


def _become_runner(
    spec: Mapping[str, object], home: Path, slot: str, parent: int
) -> None:
    _leave_worker(slot)
    document = json.dumps(spec).encode()
    leave(run(document, home=home, parent=parent, give_up_after=GIVE_UP_AFTER))


def _leave_worker(slot: str) -> None:
    """Drop what this process has inherited from the worker."""
    gc.freeze()
    _close_inherited()
    environment = runner_environment(os.environ, slot=slot)
    if user := os.environ.get(RUN_AS):
        environment |= become(user)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(PROJECT)
    signals.name_process(RUNNER)


def become(user: str) -> dict[str, str]:
    """Give up the superuser's rights for those of this user, for good. Returns what
    changes in the environment."""
    person = pwd.getpwnam(user)
    os.setgroups(groups_of(person))
    os.setgid(person.pw_gid)
    os.setuid(person.pw_uid)
    shell = person.pw_shell or "/bin/sh"
    names = {"USER": user, "LOGNAME": user}
    return {**names, "HOME": person.pw_dir, "SHELL": shell}


def groups_of(person: pwd.struct_passwd) -> list[int]:
    return os.getgrouplist(person.pw_name, person.pw_gid)


def _close_inherited() -> None:
    """Close the worker's connections.

    Their numbers stay in use, because an object of the worker may still close one, and
    that must not close a file of ours.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir(OPEN_FILES):
        if int(name) > 2:
            _replace(int(name), nothing)


def _replace(number: int, nothing: int) -> None:
    try:
        os.fstat(number)
    except OSError:  # The descriptor of the listing itself.
        return
    if number != nothing:
        os.dup2(nothing, number, inheritable=False)


def runner_environment(worker: Mapping[str, str], *, slot: str) -> dict[str, str]:
    """A runner's environment, without the worker's secrets."""
    environment = inherited(worker)
    environment |= {name: worker[name] for name in OWN_SETTINGS if name in worker}
    environment |= tool_settings(worker)
    if slot:
        environment[SLOT_MARKER] = slot
    return environment
