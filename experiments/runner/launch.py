"""Starts a runner as a process of its own; what a worker slot calls."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from experiments.runner.cgroup import VARIABLE as CGROUP
from experiments.runner.command import PYTHON_OVERRIDE
from experiments.runner.environment import EXTRA_NAMES, SLOT_MARKER, inherited
from experiments.runner.failpoints import CHOSEN, ONCE
from experiments.runner.limits import VARIABLES
from experiments.runner.tools import tool_settings

PROJECT = Path(__file__).resolve().parent.parent.parent
GIVE_UP_AFTER = 600.0
OWN_SETTINGS = (CGROUP, PYTHON_OVERRIDE, EXTRA_NAMES, CHOSEN, ONCE, *VARIABLES)


def start_runner(
    spec: Mapping[str, object],
    *,
    home: Path,
    slot: str = "",
    worker: Mapping[str, str] | None = None,
    give_up_after: float = GIVE_UP_AFTER,
) -> subprocess.Popen[bytes]:
    """Start a runner for an AttemptSpec (the claim's JSON) and hand it over.

    `home` is the worker's folder for attempts and code, `slot` a name that stays the
    same when the slot is started again (for `janitor.kill_slot`), `worker` the
    environment to choose from, by default this process's, and `give_up_after` the
    seconds to insist on a delivery while the site is away. Wait for the returned
    process: 0, the site has everything; 1, something is left in the attempt's folder;
    2, the spec could not be read. Send it SIGTERM to release the attempt. Call it from
    the main thread: the runner ends itself when the calling thread is gone.
    """
    runner = subprocess.Popen(
        [
            *(sys.executable, "-m", "experiments.runner"),
            *("--home", str(home.absolute()), "--parent", str(os.getpid())),
            *("--give-up-after", str(give_up_after)),
        ],
        stdin=subprocess.PIPE,
        cwd=PROJECT,
        env=runner_environment(os.environ if worker is None else worker, slot=slot),
        start_new_session=True,
    )
    if runner.stdin is not None:
        with contextlib.suppress(BrokenPipeError), runner.stdin as pipe:
            pipe.write(json.dumps(spec).encode())
    return runner


def runner_environment(worker: Mapping[str, str], *, slot: str) -> dict[str, str]:
    """A runner needs none of the worker's secrets, so it gets none."""
    environment = inherited(worker)
    environment |= {name: worker[name] for name in OWN_SETTINGS if name in worker}
    environment |= tool_settings(worker)
    if slot:
        environment[SLOT_MARKER] = slot
    return environment
