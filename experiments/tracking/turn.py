"""Group commit: requests that wait for the database at the same time share one
transaction, as a commit costs far more than a row.

One thread of the process leads: it takes what waits, writes it, and passes the lead to
the first that came meanwhile. Each thread answers its own request.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

W = TypeVar("W")
logger = logging.getLogger(__name__)

MAX_REQUESTS, MAX_SIZE = 64, 20_000
# Seconds after which a thread does without a leader that gives no sign.
MAX_WAIT = 30.0


class _Place(Generic[W]):
    """A request that waits. ``is_written`` is final once its thread is woken."""

    __slots__ = ("is_written", "leads", "wake", "work")

    def __init__(self, work: W) -> None:
        self.work = work
        self.leads = self.is_written = False
        self.wake = threading.Event()


class Turn(Generic[W]):
    """Lets one thread at a time write for all.

    `write` gets some works, and returns for each whether it was committed. `size`
    measures a work: a group has at most MAX_REQUESTS, of MAX_SIZE in sum.
    """

    def __init__(
        self,
        write: Callable[[Sequence[W]], Sequence[bool]],
        *,
        size: Callable[[W], int] = lambda _: 1,
    ) -> None:
        self._write = write
        self._size = size
        self._lock = threading.Lock()
        self._has_leader = False
        self._waiting: deque[_Place[W]] = deque()

    def run(self, work: W) -> bool:
        """Have it written, by this thread or another. False: its thread has to write
        it alone, as the group could not; if others were in it, nothing says why."""
        own = _Place(work)
        with self._lock:
            if self._has_leader:
                self._waiting.append(own)
            else:
                self._has_leader = own.leads = True
        if not own.leads and not own.wake.wait(MAX_WAIT):
            self._give_up(own)
        if own.leads:
            self._lead(own)
        return own.is_written

    def _give_up(self, own: _Place[W]) -> None:
        with self._lock:
            waits = own in self._waiting
            if waits:
                self._waiting.remove(own)
        if not waits:
            # A leader has taken it, or passes the lead to it, and never forgets it.
            own.wake.wait()

    def _lead(self, own: _Place[W]) -> None:
        group = [own]
        try:
            group += self._taken(room=MAX_SIZE - self._size(own.work))
            written = self._write([place.work for place in group])
            for place, is_written in zip(group, written, strict=True):
                place.is_written = is_written
        except Exception:
            if len(group) == 1:
                raise
            works = ", ".join(str(place.work) for place in group)
            logger.exception(
                "%d requests could not be written together; each is tried alone: %s",
                len(group),
                works,
            )
        finally:
            self._pass_on()
            for place in group[1:]:
                place.wake.set()

    def _taken(self, *, room: int) -> list[_Place[W]]:
        taken: list[_Place[W]] = []
        with self._lock:
            while self._waiting and len(taken) < MAX_REQUESTS - 1:
                room -= self._size(self._waiting[0].work)
                if room < 0:
                    break
                taken.append(self._waiting.popleft())
        return taken

    def _pass_on(self) -> None:
        with self._lock:
            following = self._waiting.popleft() if self._waiting else None
            self._has_leader = following is not None
        if following is not None:
            following.leads = True
            following.wake.set()
