"""Whether a script that was asked to stop has heard of it, and is on its way out."""

from __future__ import annotations

import time

from experiments.runner.folder import AttemptFolder

LONGEST_REASON = 1_000


class Leaving:
    """What the client inside the script leaves beside its spool."""

    def __init__(self, folder: AttemptFolder) -> None:
        self._folder = folder
        self._has_heard = False
        self._clock_ahead = _clock_ahead()

    @property
    def listens(self) -> bool:
        """Whether the script has used the client so far."""
        return self._folder.listens.exists()

    def heard(self) -> bool | None:
        """True: it knows and is leaving; False: it knows and goes on all the same;
        None: it does not know yet."""
        try:
            text = self._folder.told.read_text(errors="replace")
        except OSError:
            return False if self._has_heard else None
        self._has_heard = True
        # Empty for the moment in which it is written.
        return not text or bool(text.strip())

    def left(self, grace: float) -> float:
        """What is left of its grace, which began when it heard."""
        try:
            age = time.time() - self._folder.told.stat().st_mtime
        except OSError:
            return 0.0
        # If the clock was set since the attempt began, it heard before that or after.
        before = age - (_clock_ahead() - self._clock_ahead)
        age = min((each for each in (age, before) if each >= 0), default=0.0)
        return max(0.0, grace - age)

    def reason(self) -> str:
        """Why it leaves by itself; "" when it was not asked, or goes on."""
        if not self.heard():
            return ""
        try:
            text = self._folder.told.read_text(errors="replace")
        except OSError:
            return ""
        return text.strip()[:LONGEST_REASON]


def _clock_ahead() -> float:
    """By how many seconds the clock is ahead of the monotonic one."""
    return time.time() - time.monotonic()
