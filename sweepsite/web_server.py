"""How gunicorn serves the site: ``python -m gunicorn -c sweepsite/web_server.py``.

Names are gunicorn's own settings; what is given on the command line counts more.
"""

from __future__ import annotations

import logging
import socket
import struct
from pathlib import Path
from typing import Any

# A client that stands still in the middle of a request, or of its answer, holds one of
# the few threads: after so many seconds it is hung up on.
MAX_STALL = 10

chdir = str(Path(__file__).resolve().parents[1])
wsgi_app = "sweepsite.wsgi"
worker_class = "gthread"
workers = 1
threads = 8
keepalive = 30
graceful_timeout = 3
# Where many are hung up on at once, a worker has no time for its sign of life.
timeout = 120
# It waits for whoever reads a file, now and then without any limit.
sendfile = False
# Nobody steers it but by signals.
control_socket_disable = True


class StalledClientFilter(logging.Filter):
    """Leaves out the tracebacks of connections that stood still for too long."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))


def when_ready(server: Any) -> None:
    """Connections inherit these limits from the socket that they come in by; gunicorn
    itself has none for a request that has begun."""
    server.log.error_log.addFilter(StalledClientFilter())
    limit = struct.pack("ll", MAX_STALL, 0)
    for listener in server.LISTENERS:
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, direction, limit)
