"""The database's clock, which leases and timeouts use, and whether it was changed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import FloatField, Func


def database_now() -> datetime:
    """The time on the database's clock (on SQLite that of this host)."""
    if connection.vendor == "sqlite":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


class Epoch(Func):
    """A time as seconds since 1970, a number that no driver has to parse."""

    output_field = FloatField()
    template = "EXTRACT(EPOCH FROM %(expressions)s)"

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        template = "((julianday(%(expressions)s) - 2440587.5) * 86400.0)"
        return self.as_sql(compiler, connection, template=template, **options)


class Steps:
    """Notices when the database's clock differs from this process's monotonic clock: it
    was changed, or this machine slept.

    Small corrections do not count, or frequent ones would keep silent attempts alive.
    """

    # In seconds, however short the lease is.
    MIN_DIFFERENCE = 2.0

    def __init__(self) -> None:
        self._last: tuple[datetime, float, float] | None = None

    def seen(self) -> bool:
        """Whether the clock was changed since the last call; False at the first."""
        asked_at = time.monotonic()
        now, read_at = database_now(), time.monotonic()
        last, self._last = self._last, (now, asked_at, read_at)
        if last is None:
            return False
        passed = (now - last[0]).total_seconds()
        # Each reading happened at some moment between its two times.
        least, most = asked_at - last[2], read_at - last[1]
        tolerance = max(self.MIN_DIFFERENCE, settings.LEASE_SECONDS / 4)
        return not least - tolerance <= passed <= most + tolerance
