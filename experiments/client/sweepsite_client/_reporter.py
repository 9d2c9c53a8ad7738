"""Points on their way to the site, in their order."""

from __future__ import annotations

import binascii
import contextlib
import json
import sys
import time
from collections import deque
from functools import partial
from typing import Callable

from ._connection import Away, Ended, Rejected, SiteConnection
from ._spool import POINTS_AT_ONCE, Points, PointSpool
from ._stop_request import StopRequest

COST, FIRST_PAUSE, MAX_PAUSE = 20, 0.5, 30.0  # a pause: 20 times a failed try
MAX_WARNINGS = 30
FOREVER = float("inf")

Call = Callable[[SiteConnection], object]


class BackOff:
    """When a site that was away is asked again: later after each failed try."""

    def __init__(self) -> None:
        self.retry_at, self._pause = 0.0, FIRST_PAUSE

    def end(self) -> None:
        self._pause = FIRST_PAUSE

    def start(self, *, cost: float, least: float) -> None:
        pause = min(MAX_PAUSE, max(self._pause, COST * cost, least))
        self.retry_at = time.monotonic() + pause
        self._pause = min(2 * self._pause, MAX_PAUSE)


class Reporter:
    """Sends points to one route, and keeps them while the site is away.

    Other calls have a queue of their own: one that fails delays no point.
    """

    def __init__(
        self, site: SiteConnection, path: str, *, spool: PointSpool, stop: StopRequest
    ) -> None:
        self._site, self._path, self._spool, self._stop = site, path, spool, stop
        self._ended, self._calls = False, deque[Call]()
        self._back_off, self._back_off_of_calls = BackOff(), BackOff()
        self._warned: set[str] = set()

    def report(self, points: Points) -> None:
        if self._ended:
            return
        self._stop.count_report()
        steps = (self._send_kept, partial(self._deliver, points))
        if not self._succeeds(self._back_off, *steps):
            self._keep(points)
        elif self._calls:
            self._succeeds(self._back_off_of_calls, self._make_calls)

    def request(self, call: Call) -> None:
        """Make a call besides points; it is made again when the site is back."""
        self._calls.append(call)
        self._succeeds(self._back_off_of_calls, self._make_calls)

    def flush(self, seconds: float) -> None:
        """Send what waits, and close the connection. What cannot be sent within this
        time is lost."""
        deadline = time.monotonic() + seconds
        while problem := self._flush_once(deadline):
            if time.monotonic() + FIRST_PAUSE > deadline:
                self._warn(" lost", f"the last reports may be lost: {problem}")
                self._ended = True
                self._calls.clear()
                break
            time.sleep(FIRST_PAUSE)
        self._site.close()

    def _flush_once(self, deadline: float) -> Away | None:
        """Try all that waits, even after a failure; returns the last one."""
        problem = None
        calls = [partial(self._make, call) for call in self._calls]
        for step in (partial(self._send_kept, deadline), *calls):
            try:
                _check(deadline)
                step()
            except Away as found:
                problem = found
            except Ended as found:
                self._end(found)
        return problem

    def _succeeds(self, back_off: BackOff, *steps: Callable[[], object]) -> bool:
        """False if the site is away; it is asked again after a pause."""
        started = time.monotonic()
        if started < back_off.retry_at:
            return False
        try:
            for step in steps:
                step()
            back_off.end()
        except Away as problem:
            self._warn(" away", f"the site is away, reports are kept: {problem}")
            cost = time.monotonic() - started
            back_off.start(cost=cost, least=self._site.retry_after)
            return False
        except Ended as problem:
            self._end(problem)
        return True

    def _end(self, problem: Ended) -> None:
        self._ended = True
        self._stop.ask(str(problem))

    def _make_calls(self) -> None:
        while self._calls:
            self._make(self._calls[0])

    def _make(self, call: Call) -> None:
        try:
            call(self._site)
        except (Rejected, Ended) as problem:
            self._warn(str(problem), f"refused: {problem}")
        self._calls.remove(call)

    def _send_kept(self, deadline: float = FOREVER) -> None:
        while not self._ended and (kept := self._spool.peek()):
            _check(deadline)
            self._deliver(kept)
            self._spool.drop(len(kept))

    def _deliver(self, points: Points) -> None:
        """Send points, at most 500 at once; what the site refuses is not sent again."""
        for first in range(0, len(points), POINTS_AT_ONCE):
            batch = points[first : first + POINTS_AT_ONCE]
            try:
                answer = self._site.post(self._path, _body(batch))
            except Rejected as problem:
                answer = {"refused": [{"name": "all metrics", "reason": problem}]}
                self._spool.note(len(batch))
            for each in answer.get("refused", ()):
                self._warn(each["name"], "{name!r} is refused: {reason}".format(**each))
            if answer.get("stop"):
                self._stop.ask(str(answer.get("reason") or "asked to stop"))

    def _keep(self, points: Points) -> None:
        try:
            if not self._spool.add(points):
                self._warn(" full", "too many reports are waiting; new ones are lost")
        except OSError as problem:
            self._warn(" disk", f"reports wait in memory, not on disk: {problem}")

    def _warn(self, kind: str, sentence: str) -> None:
        if len(self._warned) >= MAX_WARNINGS:
            kind, sentence = " more", "further warnings are left out"
        if kind not in self._warned:
            self._warned.add(kind)
            say(sentence)


def say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # it may be a file on a full disk
        sys.stderr.write(f"sweepsite_client: {sentence}\n")


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Away("the site is slow")


def _body(points: Points) -> bytes:
    """With a key: the site takes a batch once, however often it arrives."""
    text = json.dumps(points, allow_nan=False)
    # Of the same points again; hashlib would delay the start of every trial.
    parts = (points[0].get("time"), points[-1].get("time"), len(points))
    key = "-".join(map(str, (*parts, binascii.crc32(text.encode()))))
    return f'{{"batch": "{key}", "points": {text}}}'.encode()
