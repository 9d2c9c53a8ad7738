"""Sends events to a log server, as RFC 5424 says.

A job of the site reads them from the database, so no request waits for the log server,
and what it misses while it is away is sent later. Nothing confirms a line: UDP may lose
any, TCP the last ones before the connection fails.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import QuerySet, Value
from django.db.models.functions import Now

from experiments.audit.export import event_row
from experiments.models import Event, LogForwarding
from experiments.queues import site_jobs

logger = logging.getLogger(__name__)
EVERY = 60
BATCH = 500
TIMEOUT_SECONDS = 10
# Facility authpriv (10), severity notice (5).
PRIORITY = 10 * 8 + 5
# An event of a slow transaction appears after later ones.
SETTLED = timedelta(seconds=10)
MAX_DATAGRAM = 8_000


def start_sending() -> None:
    """Enqueue the job if events wait; the scheduler calls this regularly."""
    if settings.SYSLOG_URL and _waiting(_forwarding()).exists():
        site_jobs.ensure_later(site_jobs.SEND_EVENTS, job_id="syslog", every=EVERY)


def _forwarding() -> LogForwarding:
    """How far it is. It begins with the events that follow the setting."""
    row = LogForwarding.objects.filter(pk=1).first()
    if row is not None:
        return row
    last = Event.objects.values_list("pk", flat=True).first() or 0
    return LogForwarding.objects.get_or_create(pk=1, defaults={"sent_until": last})[0]


def _waiting(row: LogForwarding) -> QuerySet[Event]:
    settled = Now() - Value(SETTLED)
    rows = Event.objects.filter(pk__gt=row.sent_until, created_at__lt=settled)
    return rows.order_by("pk")


def unsent() -> int:
    """How many events the log server does not have yet."""
    return _waiting(_forwarding()).count() if settings.SYSLOG_URL else 0


def send_waiting() -> None:
    """The job. A batch is sent again if sending failed: a line may come twice."""
    row = _forwarding()
    rows = LogForwarding.objects.filter(pk=row.pk)
    try:
        with connected(settings.SYSLOG_URL) as send:
            while batch := list(_waiting(row)[:BATCH]):
                for event in batch:
                    send(message(event))
                row.sent_until = batch[-1].pk
                rows.update(sent_until=row.sent_until, sent_at=Now(), problem="")
                if site_jobs.makes_way():
                    return
    except OSError as error:
        logger.warning("the log server gets no events: %s", error)
        rows.update(problem=str(error)[:200])


def message(event: Event) -> bytes:
    """One line. JSON in ASCII has neither line ends nor unseen characters."""
    host = urlsplit(settings.SITE_URL).hostname
    text = json.dumps(event_row(event))
    time = event.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"<{PRIORITY}>1 {time} {host} sweepsite - event - {text}".encode()


@contextlib.contextmanager
def connected(url: str) -> Iterator[Callable[[bytes], object]]:
    """What sends a line to ``udp://HOST:PORT``, ``tcp://HOST:PORT`` or
    ``unix:///dev/log``."""
    parts = urlsplit(url)
    family: int
    where: Any
    address = (parts.hostname or "", parts.port or 514)
    if parts.scheme == "tcp":
        with socket.create_connection(address, TIMEOUT_SECONDS) as stream:
            # With its length before it, as in RFC 6587.
            yield lambda line: stream.sendall(b"%d %s" % (len(line), line))
        return
    if parts.scheme == "unix":
        family, where = socket.AF_UNIX, parts.path
    else:
        found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
        family, where = found[0], found[4]
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(TIMEOUT_SECONDS)
        datagrams.connect(where)
        yield lambda line: datagrams.send(line[:MAX_DATAGRAM])
