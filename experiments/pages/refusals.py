"""Who was refused: a log line for each, and events."""

from __future__ import annotations

import contextlib
import logging
import time

from django.core.cache import cache
from django.db import DatabaseError
from django.http import HttpRequest

from experiments.access import address_of
from experiments.models import Event, User
from experiments.pages.login_limits import network_of
from sweepsite.logs import without_secrets

logger = logging.getLogger(__name__)
MAX_LOGGED_PATH = 200
# In this many seconds the log gets one event of a person and route, or of a network,
# and up to MAX_EVENTS of one person.
ONCE_IN = 60
MAX_EVENTS = 20


def note_refusal(request: HttpRequest, status: int) -> None:
    """Of known callers, and of tokens that do not count. What a person may not see is a
    404 as well, which wrong addresses are too: it is only a log line."""
    path = without_secrets(request.path).encode("unicode_escape").decode("ascii")
    path = path[:MAX_LOGGED_PATH]
    what = f"{request.method} {path}"
    if status == 401 and "Authorization" in request.headers:
        key = f"token-refused-{network_of(address_of(request))}"
        _log_once("token refused", what, actor=None, key=key)
        return
    caller = getattr(request, "auth", None)
    user = getattr(caller, "user", None) or getattr(request, "_cached_user", None)
    who = caller if user is None else user
    if status == 401 or who is None or not getattr(user, "is_authenticated", True):
        return
    words = (status, what, who, address_of(request))
    logger.warning("refused %s %s: %s from %s", *words)
    if status == 403 and isinstance(user, User):
        match = request.resolver_match
        route = f"{request.method}-{match.view_name if match else ''}".replace(" ", "-")
        _log_once("refused", what, actor=user, key=f"refused-{user.pk}-{route}")


def _log_once(verb: str, what: str, *, actor: User | None, key: str) -> None:
    # The answer is the same while the database is away.
    with contextlib.suppress(DatabaseError):
        if cache.add(key, True, ONCE_IN) and (actor is None or _has_room(actor)):
            Event.log(verb, what, actor=actor)


def _has_room(actor: User) -> bool:
    """Whether the person has few events of this kind in the current minute."""
    key = f"refusals-{actor.pk}-{int(time.time() // ONCE_IN)}"
    cache.add(key, 0, 2 * ONCE_IN)
    return cache.incr(key) <= MAX_EVENTS
