"""Browser sessions, each a row: who is logged in from where, since when.

A session ends SESSION_IDLE after its last use, and SESSION_COOKIE_AGE after the login.
Live updates of an open page are not a use.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends import db
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone

from experiments.models import BrowserSession

NOTED_AGAIN_AFTER = timedelta(minutes=1)
# In this order: most browsers name others as well.
BROWSERS = {"Edg": "Edge", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    **{"Android": "Android", "iPhone": "iPhone", "iPad": "iPad"},
    **{"Windows": "Windows", "Mac OS": "macOS", "Linux": "Linux"},
}


class SessionStore(db.SessionStore):
    """Django's, in rows of our own."""

    row: BrowserSession | None = None

    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        return BrowserSession

    def _get_session_from_db(self) -> BrowserSession | None:
        self.row = super()._get_session_from_db()  # type: ignore[misc]
        return self.row

    def load(self) -> dict[str, Any]:
        """A row whose signature is of a key that is gone: deleted, so that the log says
        so once."""
        data: dict[str, Any] = super().load()
        if not data and self.row is not None:
            with suppress(DatabaseError):
                self.row.delete()
            self.row = None
        return data

    def create_model_instance(self, data: dict[str, Any]) -> BrowserSession:
        now = timezone.now()
        began = data.setdefault("began", now.timestamp())
        row = cast(BrowserSession, super().create_model_instance(data))
        row.user_id = data.get(SESSION_KEY)
        row.auth_digest = data.get(HASH_SESSION_KEY, "")
        row.address, row.browser = data.get("address", ""), data.get("browser", "")
        row.started_at, row.seen_at = datetime.fromtimestamp(began, UTC), now
        row.expire_date = _expiry(row.started_at, now)
        return row

    def note_use(self) -> None:
        """Postpone the end; at most once a minute, and not while nothing can be
        written."""
        now = timezone.now()
        if self.row is None or now - self.row.seen_at < NOTED_AGAIN_AFTER:
            return
        ends = _expiry(self.row.started_at, now)
        with suppress(DatabaseError):
            BrowserSession.objects.filter(pk=self.row.pk).update(
                seen_at=now, expire_date=ends
            )


def _expiry(started: datetime, used: datetime) -> datetime:
    longest = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return min(used + settings.SESSION_IDLE, started + longest)


def note_login(request: HttpRequest, *, address: str) -> None:
    """Start the session's time at a login, and delete the rows of sessions that are
    over."""
    now = timezone.now()
    request.session["began"] = now.timestamp()
    request.session["address"] = address
    request.session["browser"] = browser_name(request.headers.get("User-Agent", ""))
    BrowserSession.objects.filter(expire_date__lt=now).delete()


def browser_name(agent: str) -> str:
    """Such as Firefox on Linux; of other programs the beginning of their name."""
    found = [
        next((words for part, words in names.items() if part in agent), "")
        for names in (BROWSERS, SYSTEMS)
    ]
    return " on ".join(filter(None, found)) if found[0] else agent[:60]


def note_use(request: HttpRequest) -> None:
    session, match = getattr(request, "session", None), request.resolver_match
    is_feed = match is not None and (match.url_name or "").endswith("_feed")
    if isinstance(session, SessionStore) and not is_feed:
        session.note_use()
