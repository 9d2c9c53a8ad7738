"""`python -m experiments.runner`: an AttemptSpec as JSON on standard input."""

from __future__ import annotations

import argparse
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
from experiments.runner.launch import GIVE_UP_AFTER
from experiments.runner.signals import Signals
from experiments.runner.spec import SpecError, parse_spec

logger = logging.getLogger("experiments.runner")

BAD_SPEC = 2


def main() -> int:
    """Run one attempt.

    Returns 0 when the site has everything (or does not want it any more), 1 when
    something had to stay in the attempt's folder, 2 for a specification that cannot
    be read.
    """
    arguments = _arguments()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s runner[%(process)d] %(message)s"
    )
    signals = Signals()
    signals.install()
    _tie_to_parent(arguments.parent, signals)
    try:
        spec = parse_spec(sys.stdin.buffer.read())
    except SpecError as problem:
        logger.error("%s", problem)
        return BAD_SPEC
    failpoint("start.read")
    worker = Worker(
        home=arguments.home,
        environment=dict(os.environ),
        parent=arguments.parent,
        give_up_after=arguments.give_up_after,
    )
    return Attempt(spec, worker=worker, signals=signals).run()


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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="experiments.runner", description=__doc__)
    parser.add_argument("--home", type=Path, default=_default_home())
    parser.add_argument("--parent", type=int, default=os.getppid())
    parser.add_argument("--give-up-after", type=float, default=GIVE_UP_AFTER)
    return parser.parse_args()


def _default_home() -> Path:
    return Path(os.environ.get("SWEEPSITE_HOME", ".sweepsite")) / "worker"


def leave(code: int) -> NoReturn:
    """End without taking the interpreter apart, which would take a fifth as long as its
    start: by now everything is delivered, and what still runs are daemon threads."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
