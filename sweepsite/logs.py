"""The lines of every log: UTC, one line for each message, of a limited length."""

from __future__ import annotations

import logging
import re
import time
from threading import Lock

MAX_MESSAGE_LENGTH = 2_000
# Line ends and other characters that could pass for a line of their own, or turn one
# around.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

# Loggers with a line for every bad request, which anybody can send.
FLOODED = ("django.request", "django.security", "gunicorn.error")
MAX_LINES_A_SECOND = 10


class FloodFilter(logging.Filter):
    """Lets a few lines a second about bad requests pass, and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._began, self._lines, self._left_out = 0.0, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(FLOODED):
            return True
        with self._lock:
            now = time.monotonic()
            if now - self._began >= 1:
                self._began, self._lines = now, 0
            self._lines += 1
            if self._lines > MAX_LINES_A_SECOND:
                self._left_out += 1
                return False
            left_out, self._left_out = self._left_out, 0
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out:,} more were not logged)"
            record.args = ()
        return True


class LineFormatter(logging.Formatter):
    """A traceback follows on lines of its own."""

    converter = time.gmtime  # type: ignore[assignment]
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = CONTROL.sub(_escaped, record.message)
        more = len(text) - MAX_MESSAGE_LENGTH
        if more > 0:
            text = f"{text[:MAX_MESSAGE_LENGTH]} … ({more} more characters)"
        record.message = text
        return super().formatMessage(record)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
