"""Who was refused: a log line for each, and events."""

from __future__ import annotations

import contextlib
import logging

from django.core.cache import cache
from django.db import DatabaseError
from django.http import HttpRequest

from experiments.access import address_of
from experiments.models import Event, User
from experiments.pages.login_limits import network_of

logger = logging.getLogger(__name__)
MAX_LOGGED_PATH = 200
# The log has one event of a person or network in this time, however many there were.
ONCE_IN = 60


def note_refusal(request: HttpRequest, status: int) -> None:
    """Of known callers, and of tokens that do not count. What a person may not see is a
    404 as well, which wrong addresses are too: it is only a log line."""
    path = request.path.encode("unicode_escape").decode("ascii")[:MAX_LOGGED_PATH]
    what = f"{request.method} {path}"
    if status == 401 and "Authorization" in request.headers:
        _log_once("token refused", what, actor=None, key=address_of(request))
        return
    caller = getattr(request, "auth", None)
    user = getattr(caller, "user", None) or getattr(request, "_cached_user", None)
    who = caller if user is None else user
    if status == 401 or who is None or not getattr(user, "is_authenticated", True):
        return
    words = (status, what, who, address_of(request))
    logger.warning("refused %s %s: %s from %s", *words)
    if status == 403 and isinstance(user, User):
        _log_once("refused", what, actor=user, key=f"user {user.pk}")


def _log_once(verb: str, what: str, *, actor: User | None, key: str) -> None:
    where = key if actor else network_of(key)
    # The answer is the same while the database is away.
    with contextlib.suppress(DatabaseError):
        if cache.add(f"{verb} {where}", True, ONCE_IN):
            Event.log(verb, what, actor=actor)
