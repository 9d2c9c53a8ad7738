"""How gunicorn serves the site: ``python -m gunicorn -c sweepsite/web_server.py``.

The names are gunicorn's settings; its command line overrides them.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

# A client that stalls during a large body or an answer holds one of the few threads:
# its connection is closed after this many seconds. See also web_worker.
MAX_STALL = 10

chdir = str(Path(__file__).resolve().parents[1])
sys.path.insert(0, chdir)
import_module("experiments.workers.secrets").protect()
wsgi_app = "sweepsite.wsgi"
worker_class = "sweepsite.web_worker.CollectingWorker"
workers = 1
threads = 8
keepalive = 30
graceful_timeout = 3
umask = 0o077
# While it closes many connections at once, a worker has no time for its heartbeat.
timeout = 120
# It can wait without a limit for a client that reads a file.
sendfile = False
# Only signals control it.
control_socket_disable = True


class StalledClientFilter(logging.Filter):
    """Leaves out the tracebacks of connections that stalled for too long."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))


def on_starting(server: Any) -> None:
    """End with a sentence if no page could be shown."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sweepsite.settings")
    try:
        static: Path = settings.STATIC_ROOT
    except ImproperlyConfigured as error:
        sys.exit(f"sweepsite: {error}")
    needed = "Manifest" in settings.STORAGES["staticfiles"]["BACKEND"]
    if needed and not (static / "staticfiles.json").is_file():
        sys.exit(f"sweepsite: {static} lacks static files. Run: python manage.py setup")


def when_ready(server: Any) -> None:
    """Connections inherit these limits from the listening socket; gunicorn itself has
    none for a request that has begun."""
    # Only after gunicorn has changed into the site's folder.
    from sweepsite.logs import FloodFilter, LineFormatter

    server.log.error_log.addFilter(StalledClientFilter())
    for handler in server.log.error_log.handlers:
        handler.addFilter(FloodFilter())
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    limit = struct.pack("ll", MAX_STALL, 0)
    for listener in server.LISTENERS:
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, direction, limit)
