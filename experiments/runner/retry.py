"""Trying again while the site is away, as long as there is time."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from typing import TypeVar

from experiments.runner.errors import SiteAway
from experiments.runner.signals import Signals

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

FIRST_PAUSE = 0.2
MAX_PAUSE = 15.0
HURRY = 10.0


class Retry:
    """Repeats a call for up to `seconds`, and for less once the worker shuts down.

    The seconds count only while the site `answers` other calls. A finished trial waits
    for as long as the site is away: without the site there is no other work to do.
    """

    def __init__(
        self,
        signals: Signals,
        *,
        seconds: float,
        hurried: bool = False,
        answers: Callable[[], bool] = lambda: True,
    ) -> None:
        self._signals = signals
        self._seconds = seconds
        self._answers = answers
        self._terminations = signals.terminations
        self._hurry_until = time.monotonic() + HURRY if hurried else math.inf

    @property
    def over(self) -> bool:
        """Whether the worker's shutdown leaves no more time.

        A first SIGTERM leaves HURRY seconds, a second one none. Signals that came
        before this object was made are not counted again.
        """
        now = time.monotonic()
        if self._signals.terminations > self._terminations:
            self._terminations = self._signals.terminations
            allowed = HURRY if self._terminations == 1 else 0.0
            self._hurry_until = min(self._hurry_until, now + allowed)
        return now >= self._hurry_until

    def call(self, function: Callable[[], Answer]) -> Answer:
        """Call until there is an answer, with growing pauses spread at random.

        Raises SiteAway once the time is up, and what else the function raises.
        """
        pause = FIRST_PAUSE
        give_up_at = math.inf
        while True:
            try:
                return function()
            except SiteAway as problem:
                now = time.monotonic()
                limit = min(give_up_at, now + self._seconds)
                give_up_at = limit if self._answers() else math.inf
                if self.over or now >= give_up_at:
                    raise
                logger.info("the site is away, trying again: %s", problem)
                asked = problem.retry_after
            spread = random.uniform(0.5, 1.0)  # noqa: S311 - only spreads the load
            self._wait(min(max(asked, pause * spread), give_up_at - now))
            pause = min(2 * pause, MAX_PAUSE)

    def _wait(self, seconds: float) -> None:
        """Sleep, but not past a shutdown's deadline nor past the next SIGTERM."""
        until = min(time.monotonic() + seconds, self._hurry_until)
        before = self._signals.terminations
        while self._signals.terminations == before:
            remaining = until - time.monotonic()
            if remaining <= 0:
                return
            self._signals.wait(remaining)
