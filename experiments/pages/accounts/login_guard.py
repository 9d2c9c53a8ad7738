"""Slows guessing down: too many failed logins for one name from one address.

Failures are events without a team; the name that was typed is kept as a hash only,
since people type their password into the wrong field.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest

from experiments.clock import database_now
from experiments.models import Event, User

MOST_FAILURES = 10
WINDOW = timedelta(minutes=10)
FAILED = "login failed"
LONGEST_NAME = 150


def address_of(request: HttpRequest) -> str:
    """The visitor's address. A proxy is believed only where the settings name one."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and forwarded:
        return forwarded.rsplit(",", 1)[-1].strip()[:45]
    return str(request.META.get("REMOTE_ADDR", ""))


def _key(name: str) -> str:
    """One key for all spellings that the login form takes for the same name."""
    # Cut first: no name is longer, and folding millions of letters takes seconds.
    spelled = unicodedata.normalize("NFKC", name.strip()[:LONGEST_NAME])
    return hashlib.sha256(spelled.strip().casefold().encode()).hexdigest()[:16]


def seconds_to_wait(request: HttpRequest, name: str) -> int:
    """How long this name has to wait at this address; 0: it may try now."""
    now = database_now()
    failures = Event.objects.filter(
        team=None,
        verb=FAILED,
        # Of a time to come, of a clock that was set back, they would shut it for long.
        created_at__range=(now - WINDOW, now + WINDOW),
        data__name=_key(name),
        data__address=address_of(request),
    ).order_by("-id")
    if failures.count() < MOST_FAILURES:
        return 0
    # Free again once the tenth last failure has left the window.
    tenth = failures.values_list("created_at", flat=True)[MOST_FAILURES - 1]
    return max(1, int((tenth + WINDOW - now).total_seconds()) + 1)


def log_failure(request: HttpRequest, name: str) -> None:
    address = address_of(request)
    data = {"name": _key(name), "address": address}
    Event.log(FAILED, f"from {address}", data=data)


def log_login(request: HttpRequest, user: User) -> None:
    address = address_of(request)
    data = {"address": address}
    Event.log("logged in", f"from {address}", actor=user, data=data)
