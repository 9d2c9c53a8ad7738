"""The database's clock: the only one that leases and timeouts go by, and whether it
was set to another time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import FloatField, Func


def database_now() -> datetime:
    """The present by the database's clock (on SQLite that of this host)."""
    if connection.vendor == "sqlite":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def never_set() -> bool:
    """The answer of a caller that has no clock to compare with: it was not set."""
    return False


class Epoch(Func):
    """A moment as seconds since 1970: a number, which no driver has to parse."""

    output_field = FloatField()
    template = "EXTRACT(EPOCH FROM %(expressions)s)"

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        template = "((julianday(%(expressions)s) - 2440587.5) * 86400.0)"
        return self.as_sql(compiler, connection, template=template, **options)


class Steps:
    """Notices when the database's clock does not go on as this process's monotonic one
    does: it was set to another time, or this machine slept.

    Only what matters beside a lease is a step: a clock that is put right by a little
    again and again must not keep losses from ever being declared.
    """

    # Seconds of difference that are none, however short the lease is.
    LEAST = 2.0

    def __init__(self) -> None:
        self._last: tuple[datetime, float, float] | None = None

    def seen(self) -> bool:
        """Whether there was one since the last call; never at the first."""
        asked_at = time.monotonic()
        now, read_at = database_now(), time.monotonic()
        last, self._last = self._last, (now, asked_at, read_at)
        if last is None:
            return False
        went = (now - last[0]).total_seconds()
        # The clock was read at some moment between the two of either call.
        least, most = asked_at - last[2], read_at - last[1]
        slack = max(self.LEAST, settings.LEASE_SECONDS / 4)
        return not least - slack <= went <= most + slack
