"""`python -m experiments.runner`: an AttemptSpec as JSON on standard input, to run one
attempt by hand or from a process that cannot be forked. A worker's slots fork theirs.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from experiments.runner.launch import GIVE_UP_AFTER, leave, run


def main() -> int:
    """Run one attempt; returns as `launch.run`."""
    chosen = _arguments()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s runner[%(process)d] %(message)s"
    )
    return run(
        sys.stdin.buffer.read(),
        home=chosen.home,
        parent=chosen.parent,
        give_up_after=chosen.give_up_after,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="experiments.runner", description=__doc__)
    parser.add_argument("--home", type=Path, default=_default_home())
    parser.add_argument("--parent", type=int, default=os.getppid())
    parser.add_argument("--give-up-after", type=float, default=GIVE_UP_AFTER)
    return parser.parse_args()


def _default_home() -> Path:
    return Path(os.environ.get("SWEEPSITE_HOME", ".sweepsite")) / "worker"


if __name__ == "__main__":
    leave(main())
