"""When to send which signal to a training process that shall end.

Pure: times come in as arguments (seconds of a monotonic clock), decisions go out.
"""

from __future__ import annotations

import math
from enum import Enum


class Step(Enum):
    """What to do to the training process now."""

    ASK = "SIGTERM to its process group"
    KILL = "SIGKILL to its whole tree"


class Stopping:
    """The way from a wish to stop over SIGTERM and the grace to SIGKILL.

    The first cause is the one that counts; later wishes can only shorten the way.
    """

    def __init__(self) -> None:
        self.cause: str | None = None
        self.message = ""
        self._ask_at = math.inf
        self._kill_at = math.inf
        self._asked = False
        self._killed = False

    def begin(
        self, cause: str, message: str, *, now: float, grace: float, leave: float = 0.0
    ) -> None:
        """Stop for `cause`: SIGTERM after `leave` seconds, SIGKILL `grace` later.

        `leave` is for a script that knows already and is on its way out.
        """
        if self.cause is None:
            self.cause, self.message = cause, message
        self._ask_at = min(self._ask_at, now + leave)
        self._kill_at = min(self._kill_at, now + leave + grace)

    def put_off(self, *, before_end: float) -> None:
        """SIGTERM no sooner than so many seconds before SIGKILL."""
        self._ask_at = max(self._ask_at, self._kill_at - before_end)

    def ask_now(self, *, now: float, grace: float) -> None:
        """Leave no more time before SIGTERM."""
        self._ask_at = min(self._ask_at, now)
        self._kill_at = min(self._kill_at, now + grace)

    @property
    def asked(self) -> bool:
        """Whether SIGTERM is out."""
        return self._asked

    def step(self, now: float) -> Step | None:
        """The signal that is due, each at most once."""
        if now >= self._kill_at and not self._killed:
            self._asked = self._killed = True
            return Step.KILL
        if now >= self._ask_at and not self._asked:
            self._asked = True
            return Step.ASK
        return None

    def next_time(self) -> float:
        """When `step` will have something to say; infinity when never."""
        if self._killed:
            return math.inf
        return self._kill_at if self._asked else min(self._ask_at, self._kill_at)
