"""A runner's process: its session, its ties to the worker, one attempt, its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from experiments.runner import kernel
from experiments.runner.attempt import Attempt, Worker
from experiments.runner.failpoints import failpoint
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
    signals = Signals()
    signals.install()
    _tie_to_parent(parent, signals)
    try:
        spec = parse_spec(document)
    except SpecError as problem:
        logger.error("%s", problem)
        return BAD_SPEC
    failpoint("start.read")
    worker = Worker(
        home=home,
        environment=dict(os.environ),
        parent=parent,
        give_up_after=give_up_after,
    )
    return Attempt(spec, worker=worker, signals=signals).run()


def leave(code: int) -> NoReturn:
    """End without taking the interpreter apart, which would take long: by now
    everything is delivered, and what still runs are daemon threads."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _tie_to_parent(parent: int, signals: Signals) -> None:
    """Get SIGTERM when the worker's process dies, also if it has died already.

    The session of its own keeps a signal to the worker's process group from here: the
    runner must outlive it for the seconds that an orderly release takes.
    """
    with contextlib.suppress(PermissionError):
        os.setsid()
    kernel.die_with_parent(signal.SIGTERM)
    if not kernel.parent_is(parent):
        signals.terminations += 1
