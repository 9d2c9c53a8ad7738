"""The lines of every log: UTC, one line for each message, of a limited length."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from threading import Lock

MAX_MESSAGE_LENGTH = 2_000
INDENT = "    "
# Line ends and other characters that could begin a false line or turn one around. The
# pages have another list, in a module that takes too much memory for a slot.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

# Links in which the last part opens an account or a team.
SECRET_LINK = re.compile(
    r"(/join/|/shared/|/login/email/|/login/password/[^/\s]+/)[^/\s'\"]+"
)

# Loggers with a line for every bad request, which anybody can send.
FLOODED = ("django.request", "django.security", "gunicorn.error")
MAX_LINES_A_SECOND = 10


@dataclass
class LineBudget:
    """A few lines a second."""

    began: float = 0.0
    lines: int = 0
    left_out: int = 0

    def take(self) -> int | None:
        """How many lines were left out before this one; None if it is left out too."""
        now = time.monotonic()
        if now - self.began >= 1:
            self.began, self.lines = now, 0
        self.lines += 1
        if self.lines > MAX_LINES_A_SECOND:
            self.left_out += 1
            return None
        left_out, self.left_out = self.left_out, 0
        return left_out


class FloodFilter(logging.Filter):
    """Lets a few lines a second about bad requests pass, and as many about the site's
    own errors; it counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._requests, self._errors = LineBudget(), LineBudget()

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(FLOODED):
            return True
        with self._lock:
            budget = self._errors if _is_own_error(record) else self._requests
            left_out = budget.take()
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out:,} more were not logged)"
            record.args = ()
        return left_out is not None


class NoTraceback(logging.Filter):
    """For errors of others, which their message explains."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


def _is_own_error(record: logging.LogRecord) -> bool:
    status: int | None = getattr(record, "status_code", None)
    return bool(record.exc_info) if status is None else status >= 500


class LineFormatter(logging.Formatter):
    """A traceback follows on indented lines, which have no time."""

    converter = time.gmtime  # type: ignore[assignment]
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        first, *more = super().format(record).split("\n")
        return "\n".join([first, *(INDENT + _one_line(line) for line in more)])

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = _one_line(record.message)
        return super().formatMessage(record)


def _one_line(text: str) -> str:
    text = without_secrets(CONTROL.sub(_escaped, text))
    more = len(text) - MAX_MESSAGE_LENGTH
    return (
        f"{text[:MAX_MESSAGE_LENGTH]} … ({more} more characters)" if more > 0 else text
    )


def without_secrets(text: str) -> str:
    return SECRET_LINK.sub(r"\1(hidden)", text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
