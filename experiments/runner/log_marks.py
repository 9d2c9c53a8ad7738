"""Marks in a stored log: from which stream the bytes after a mark are, and since when.

A mark has ten bytes: \\x1e, the stream's letter, and the host's time in seconds since
1970 as eight hexadecimal digits. A \\x1e of the output itself is stored twice, so a
training process cannot write a mark. Logs of earlier versions have no marks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple


class Stream(StrEnum):
    """Where output comes from; ``RUNNER``: a remark of the runner itself."""

    OUT = "o"
    ERR = "e"
    RUNNER = "r"


_STREAMS = {stream.encode(): stream for stream in Stream}
ESCAPE = b"\x1e"
MARK = re.compile(rb"\x1e([oer])([0-9a-f]{8})")
MARK_LENGTH = 10
# Stands for an escaped \x1e while a log is read: no mark begins like this.
_ESCAPED = b"\x1e\x1d"
# A reader of a log's end finds a mark within this many bytes.
MAX_UNMARKED = 16 * 1024


class Piece(NamedTuple):
    """Bytes of one stream; ``time``: None where it is not known."""

    data: bytes
    stream: Stream
    time: int | None


class Marker:
    """Marks what is appended to one log, where stream or second change."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.restart()

    def restart(self) -> None:
        """Begin with a mark."""
        self._last = b""
        self._unmarked = 0

    def mark(self, data: bytes, stream: Stream, time: int | None = None) -> bytes:
        """The bytes to store for this output."""
        now = int(self._now()) if time is None else time
        mark = b"\x1e%b%08x" % (stream.encode(), now & 0xFFFFFFFF)
        if ESCAPE in data:
            data = data.replace(ESCAPE, ESCAPE * 2)
        self._unmarked += len(data)
        if mark == self._last and self._unmarked < MAX_UNMARKED:
            return data
        self._last, self._unmarked = mark, 0
        return mark + data


def plain(log: bytes) -> bytes:
    """What the processes printed, in the order of its arrival."""
    if ESCAPE not in log:
        return log
    text = MARK.sub(b"", log.replace(ESCAPE * 2, _ESCAPED))
    return text.replace(_ESCAPED, ESCAPE)


def pieces(log: bytes) -> Iterator[Piece]:
    """The log by marks."""
    log = log.replace(ESCAPE * 2, _ESCAPED)
    first, *rest = MARK.split(log)
    parts = iter(rest)
    if first:
        yield Piece(first.replace(_ESCAPED, ESCAPE), Stream.OUT, None)
    for letter, time, data in zip(parts, parts, parts, strict=True):
        if data:
            text = data.replace(_ESCAPED, ESCAPE) if ESCAPE in data else data
            yield Piece(text, _STREAMS[letter], int(time, 16) or None)


def timeless(remark: bytes) -> bytes:
    """A remark of ours, of no known time, as part of a log with marks."""
    return b"\x1e%b%08x%b" % (Stream.RUNNER.encode(), 0, remark)


def from_whole_mark(log: bytes, start: int) -> bytes:
    """The log from this place on; from a bit earlier if it is inside a mark."""
    for found in MARK.finditer(log, 0, start + MARK_LENGTH):
        if found.start() < start < found.end():
            return log[found.start() :]
    return log[start:]
