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
    """How long to insist: `seconds`, less once the worker goes down.

    They are counted while the site `answers` others and only this call fails. What is
    done already waits for a site that is away: nothing else could be had without it.
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

        A first SIGTERM leaves HURRY seconds, a second one none. What came before this
        object was made is counted already.
        """
        now = time.monotonic()
        if self._signals.terminations > self._terminations:
            self._terminations = self._signals.terminations
            allowed = HURRY if self._terminations == 1 else 0.0
            self._hurry_until = min(self._hurry_until, now + allowed)
        return now >= self._hurry_until

    def call(self, call: Callable[[], Answer]) -> Answer:
        """Call until there is an answer, with growing pauses spread at random.

        Raises SiteAway once the time is up, and whatever else `call` raises.
        """
        pause = FIRST_PAUSE
        give_up_at = math.inf
        while True:
            try:
                return call()
            except SiteAway as problem:
                now = time.monotonic()
                if self._answers():
                    give_up_at = min(give_up_at, now + self._seconds)
                else:
                    give_up_at = math.inf
                if self.over or now >= give_up_at:
                    raise
                logger.info("the site is away, trying again: %s", problem)
            spread = random.uniform(0.5, 1.0)  # noqa: S311 - only spreads the load
            self._wait(min(pause * spread, give_up_at - now))
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
