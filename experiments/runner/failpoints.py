"""Places in the code at which a test can kill the process.

``SWEEPSITE_FAILPOINT=dispatch.chosen`` kills a process with SIGKILL at that place;
commas separate several names. With ``SWEEPSITE_FAILPOINT_ONCE=FOLDER`` each place kills
only one of all processes, and leaves a file with its name there. Without them a place
costs one look-up in an empty set. Never set them on a site that people use.
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
    "dispatch.stored": "trial and attempt are stored, no job is queued",
    "dispatch.notified": "the job is queued, and that is not noted",
    "claim.popped": "a slot has taken the job out of the queue",
    "claim.updated": "inside the transaction: the attempt is claimed",
    "claim.committed": "the attempt is claimed, and the slot does not know it",
    "claim.received": "the slot has the attempt and has started nothing",
    "start.runner": "the slot has just started the runner",
    "start.read": "the runner knows what to run and has not begun",
    "start.training": "the training has just begun",
    "beat.noted": "a heartbeat is noted, and the runner has no answer",
    "report.stored": "inside the transaction: points are stored and not judged",
    "report.judged": "inside the transaction: the policy has judged",
    "report.committed": "points are stored, and the script has no answer",
    "finish.ended": "the training has ended, and nothing was sent since",
    "finish.points": "the last points are sent, log and outputs are not",
    "finish.delivered": "everything is sent except the finish report",
    "finish.updated": "inside the transaction: the attempt has ended, its trial not",
    "finish.committed": "the trial has ended, and the runner has no answer",
    "finish.answered": "the runner knows that the site knows",
    "finish.runner": "the slot has seen the runner end",
    "stop.marked": "inside the transaction: attempts are to stop, trials are not yet",
    "stop.committed": "the request to stop is stored, and its sender has no answer",
    "stop.asked": "the training was sent SIGTERM",
    "lose.updated": "inside the transaction: the attempt is lost, its trial not queued",
    "lose.committed": "the trial waits for its next attempt, no job is queued",
    "sweep.moved": "inside the transaction: the sweep's state has changed",
    "notification.sent": "a notification was sent, and that is not noted",
    "deletion.files": "a sweep's files are deleted, its rows are not",
    "recovery.notifies": "recovery is about to queue jobs for what waits",
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
    """End this process here if a test has chosen this place."""
    if name in _CHOSEN and _is_due(name, os.environ.get(ONCE, "")):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_due(name: str, folder: str) -> bool:
    """Always, or only for the first process that gets here."""
    if not folder:
        return True
    try:
        Path(folder, name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


__all__ = ["CHOSEN", "ONCE", "PLACES", "failpoint"]
