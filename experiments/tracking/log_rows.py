"""The lines of a stored log: each of one stream, in the order in which they ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from experiments.runner.log_marks import Stream, pieces, plain


class LogRow(NamedTuple):
    """A line without its line break; ``time``: when it began, in seconds since 1970."""

    data: bytes
    stream: Stream
    time: int | None

    @property
    def seen(self) -> bytes:
        """What a terminal shows in the end: of a progress bar the last state."""
        if b"\r" not in self.data:
            return self.data
        states = reversed(self.data.split(b"\r"))
        return next((state for state in states if state.strip()), b"")


def log_rows(log: bytes) -> list[LogRow]:
    """A line that another stream interrupts is one line again."""
    rows: list[LogRow] = []
    unended: dict[Stream, LogRow] = {}
    for data, stream, time in pieces(log):
        *lines, last = data.split(b"\n")
        if stream in unended:
            before = unended.pop(stream)
            whole = _still_seen(before.data) + (lines[0] if lines else last)
            row = LogRow(whole, stream, before.time)
            if not lines:
                unended[stream] = row
                continue
            rows.append(row)
            del lines[0]
        rows += [LogRow(line, stream, time) for line in lines]
        if last:
            unended[stream] = LogRow(last, stream, time)
    return rows + list(unended.values())


def _still_seen(data: bytes) -> bytes:
    """A progress bar may have a million states."""
    states, returned, state = data.rpartition(b"\r")
    if not returned or state.strip():
        return state
    return LogRow(states, Stream.OUT, None).seen + b"\r"


def log_text(log: bytes, *, stream: Stream | None, times: bool) -> bytes:
    """The log, or one stream of it, as it was printed; with ``times`` line by line,
    each after its time (UTC) and a tab."""
    if times:
        rows = (row for row in log_rows(log) if stream in (None, row.stream))
        return b"".join(_stamp(row.time) + row.seen + b"\n" for row in rows)
    if stream is None:
        return plain(log)
    return b"".join(data for data, of, _ in pieces(log) if of is stream)


def _stamp(time: int | None) -> bytes:
    if time is None:
        return b"-\t"
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ\t").encode()
