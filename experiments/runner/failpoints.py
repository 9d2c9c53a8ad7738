"""Places in the code at which a test can have a process killed.

``SWEEPSITE_FAILPOINT=dispatch.chosen`` kills a process (SIGKILL, as power or the kernel
would) when it comes to that place; several names are parted by commas. With
``SWEEPSITE_FAILPOINT_ONCE=FOLDER`` each place kills only once in all processes
together, and leaves a file of its name there. Unset, a place costs one look at an
empty set. Never set it on a site that people use.

Places at which a test can have a process killed; see runner/failpoints.py, which is
there because a runner imports nothing else of ours.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

CHOSEN, ONCE = "SWEEPSITE_FAILPOINT", "SWEEPSITE_FAILPOINT_ONCE"

# In the order of a trial's life.
PLACES: Mapping[str, str] = {
    "dispatch.chosen": "the sampler has chosen, nothing is stored",
    "dispatch.storing": "inside the transaction: the trial is there, no attempt yet",
    "dispatch.stored": "trial and attempt are stored, no bell was rung",
    "dispatch.notified": "the bell was rung, and nobody has noted it",
    "claim.popped": "a slot has taken the bell out of the queue",
    "claim.updated": "inside the transaction: the attempt is given away",
    "claim.committed": "the attempt is given away, and the slot has not heard it",
    "claim.received": "the slot has the attempt and has started nothing",
    "start.runner": "the slot has just started the runner",
    "start.read": "the runner knows what to run and has not begun",
    "start.training": "the training has just begun",
    "beat.noted": "a sign of life is noted, and the runner has not heard it",
    "report.stored": "inside the transaction: points are stored and not judged",
    "report.judged": "inside the transaction: the policy has judged",
    "report.committed": "points are stored, and the script has not heard it",
    "finish.ended": "the training has ended, nothing of its rest was sent",
    "finish.points": "the last points are sent, log and outputs are not",
    "finish.delivered": "everything is sent but the word of the end",
    "finish.updated": "inside the transaction: the attempt has ended, its trial not",
    "finish.committed": "the trial has ended, and the runner has not heard it",
    "finish.heard": "the runner knows that the site knows",
    "finish.runner": "the slot has seen the runner end",
    "stop.marked": "inside the transaction: attempts are to stop, trials are not yet",
    "stop.committed": "the wish to stop is stored, and who asked has not heard it",
    "stop.asked": "the training was sent SIGTERM",
    "lose.updated": "inside the transaction: the attempt is lost, its trial not queued",
    "lose.committed": "the trial waits for its next attempt, no bell was rung",
    "sweep.moved": "inside the transaction: the sweep's state has changed",
    "recovery.notifies": "repair is about to ring for what waits",
}


def chosen(environment: Mapping[str, str]) -> frozenset[str]:
    """The places at which to die. Raises SystemExit for one that does not exist."""
    names = frozenset(environment.get(CHOSEN, "").replace(",", " ").split())
    if unknown := sorted(names - PLACES.keys()):
        raise SystemExit(
            f"{CHOSEN} names {', '.join(unknown)}; there are {', '.join(PLACES)}."
        )
    return names


_CHOSEN = chosen(os.environ)


def failpoint(name: str) -> None:
    """Die here if a test has asked for it."""
    if name in _CHOSEN and _is_due(name, os.environ.get(ONCE, "")):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_due(name: str, folder: str) -> bool:
    """Always, or only for the first process that comes by."""
    if not folder:
        return True
    try:
        Path(folder, name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


__all__ = ["CHOSEN", "ONCE", "PLACES", "failpoint"]
