"""A thread that carries outputs to the site while training runs.

Apart from the courier: an upload may take minutes, and signs of life may not wait.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from experiments.runner.answers import SiteError, StaleAttempt
from experiments.runner.shipments import Shipments

logger = logging.getLogger(__name__)

# In heartbeats: every 20 s with the usual ones.
ROUND = 4
# A round ends when nothing changed waits any more, or after so many looks.
MOST_LOOKS = 10
LOOK_AGAIN = 1.0
# A pause is this many times as long as what it follows: at most a sixth of the time
# goes into uploads, however large the files are and however often they change.
PAUSE_SHARE = 5
# Seconds for an upload that was called off to notice it.
LAST_PATIENCE = 5.0
JOIN_LOOK = 0.1


class Porter(threading.Thread):
    """Looks again and again for outputs that are new and whole, and ships them."""

    def __init__(self, shipments: Shipments, *, beat_seconds: float) -> None:
        super().__init__(name="porter", daemon=True)
        self._shipments = shipments
        self._every = ROUND * beat_seconds
        self._again = min(LOOK_AGAIN, beat_seconds)
        self._looks = 0
        self._over = threading.Event()

    def run(self) -> None:
        pause = self._every
        while not self._over.wait(pause):
            pause = self._look()

    def finish(self, *, hurried: Callable[[], bool]) -> None:
        """Ship nothing more; what is under way arrives first, unless time presses."""
        self._over.set()
        give_up_at = math.inf
        while self.is_alive() and time.monotonic() < give_up_at:
            if hurried() and not self._shipments.cancelled.is_set():
                self._shipments.cancelled.set()
                give_up_at = time.monotonic() + LAST_PATIENCE
            self.join(JOIN_LOOK)
        self._shipments.cancelled.set()

    def _look(self) -> float:
        """One look; returns the seconds until the next one."""
        started = time.monotonic()
        waits = False
        try:
            waits = self._shipments.look()
        except StaleAttempt:
            # The courier hears of it as well, and it is the one to tell.
            self._over.set()
        except (SiteError, OSError) as problem:
            logger.info("outputs are kept back for now: %s", problem)
        self._looks = self._looks + 1 if waits else 0
        again = 0 < self._looks < MOST_LOOKS
        if not again:
            self._looks = 0
        took = time.monotonic() - started
        return max(self._again if again else self._every, PAUSE_SHARE * took)
