"""How many requests a second one user, one trial or one worker may send, and how many
with a wrong token an address.

Counted in this process's memory: no request waits for a database or the queue, and a
lost queue opens nothing. With several web processes, each has its own counts.
"""

from __future__ import annotations

import math
import time
from threading import Lock

from django.conf import settings
from django.http import HttpRequest

from experiments.access import address_of
from experiments.lru_cache import LruCache
from experiments.tokens import token_digest

# Seconds of requests that may come at once.
BURST = 20.0
MAX_KEYS = 50_000


class RateLimit:
    """So many requests a second for each key, and those of BURST seconds at once."""

    def __init__(self) -> None:
        # When a key's requests have all been paid for, on the monotonic clock.
        self._paid_at: LruCache[str, float] = LruCache(MAX_KEYS)
        self._lock = Lock()

    def take(self, key: str, rate: float) -> int:
        """Count a request; else the seconds after which one may come."""
        now = time.monotonic()
        with self._lock:
            paid_at = max(self._paid_at.get(key) or now, now) + 1 / rate
            if paid_at > now + BURST:
                return math.ceil(paid_at - now - BURST)
            self._paid_at.put(key, paid_at)
        return 0

    def is_used_up(self, key: str, rate: float) -> bool:
        paid_at = self._paid_at.get(key) or 0.0
        return paid_at + 1 / rate > time.monotonic() + BURST

    def clear(self) -> None:
        self._paid_at.clear()


requests, failures = RateLimit(), RateLimit()
# Digests of tokens that were right lately: wrong ones from the same address, such as
# those behind one router, never hold them up.
_known: LruCache[str, bool] = LruCache(MAX_KEYS)


def note_success(request: HttpRequest) -> None:
    _known.put(_credential(request), True)


def note_failure(request: HttpRequest) -> None:
    failures.take(address_of(request), settings.API_FAILURES_PER_SECOND)


def is_guessing(request: HttpRequest) -> bool:
    """Whether the token need not be looked up: too many from there were wrong."""
    rate = settings.API_FAILURES_PER_SECOND
    if not failures.is_used_up(address_of(request), rate):
        return False
    return not _known.get(_credential(request))


def _credential(request: HttpRequest) -> str:
    return token_digest(request.headers.get("Authorization", ""))
