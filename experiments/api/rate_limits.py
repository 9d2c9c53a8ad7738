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

# Seconds of requests that may come at once.
BURST = 20.0
MAX_KEYS = 50_000


class RateLimit:
    """A number of requests a second for each key; those of BURST seconds at once."""

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

    def clear(self) -> None:
        self._paid_at.clear()


requests, failures = RateLimit(), RateLimit()


def take_failure(request: HttpRequest) -> int:
    """Count a wrong token; else the seconds after which one may come. A right token is
    always looked up: trials of one host share its address, as those behind a router."""
    return failures.take(address_of(request), settings.API_FAILURES_PER_SECOND)
