"""The lines of every log: UTC, one line for each message, of a limited length."""

from __future__ import annotations

import logging
import re
import time

MAX_MESSAGE_LENGTH = 2_000
# Line ends and other characters that could pass for a line of their own, or turn one
# around.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


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
