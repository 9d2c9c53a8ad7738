"""The bytes of metric points, as stored in ``Metric.tail`` and ``Segment.data``.

Points are arrays of 32-byte records in the order of arrival. A tail is such an array as
it is. A segment is a byte that names the format, and then the compressed columns, one
after another: whole numbers as differences, then of each column all first bytes, all
second bytes, and so on, as neighbors differ mostly in a few bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# A tail with this many points becomes a segment.
MIN_SEGMENT = 128
# The most of one segment; those of ended attempts have as many, but the last.
MAX_SEGMENT = 4_096
# Of zlib: for segments that reports wait for, and for full ones.
LEVEL, FULL_LEVEL = 1, 6
# ``time`` is the program's, ``arrived`` the server's, both in microseconds since 1970.
RECORD = np.dtype(
    [("step", "<i8"), ("time", "<i8"), ("arrived", "<i8"), ("value", "<f8")]
)
WHOLE = ("step", "time", "arrived")
# The first byte of a segment. A point without a time has that of its arrival;
# others have one shortly before it, so the difference from it may be shorter.
ALL, ARRIVED_IS_TIME, TIME_FROM_ARRIVED = b"\x01", b"\x02", b"\x03"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# Of RECORD, in the order of arrival.
Records = NDArray[np.void]


class UnknownFormat(ValueError):
    """A segment that a later version of the program wrote, or that is damaged."""


def empty() -> Records:
    return np.empty(0, RECORD)


def from_tail(tail: bytes | memoryview) -> Records:
    return np.frombuffer(tail, RECORD)


def encode(points: Records) -> bytes:
    """A segment's data; a full one is as short as it can be."""
    if (points["time"] == points["arrived"]).all():
        return _encoded(points, ARRIVED_IS_TIME)
    if len(points) < MAX_SEGMENT:
        return _encoded(points, ALL)
    return min((_encoded(points, kind) for kind in (ALL, TIME_FROM_ARRIVED)), key=len)


def _encoded(points: Records, kind: bytes) -> bytes:
    names = WHOLE[:2] if kind == ARRIVED_IS_TIME else WHOLE
    columns = {name: _differences(points[name]) for name in names}
    if kind == TIME_FROM_ARRIVED:
        columns["time"] = points["time"] - points["arrived"]
    parts = [_shuffled(column) for column in (*columns.values(), points["value"])]
    level = FULL_LEVEL if len(points) == MAX_SEGMENT else LEVEL
    return kind + zlib.compress(b"".join(parts), level)


def _differences(column: NDArray[Any]) -> NDArray[Any]:
    """The first one from 0. Those beyond 64 bits wrap, and so do their sums."""
    found = column.copy()
    found[1:] -= column[:-1]
    return found


def decode(data: bytes | memoryview) -> Records:
    """The points of a segment. Raises UnknownFormat."""
    kind = bytes(data[:1])
    if kind not in (ALL, ARRIVED_IS_TIME, TIME_FROM_ARRIVED):
        raise UnknownFormat(f"Segments of format {kind!r} cannot be read.")
    names = ("step", "time", "value") if kind == ARRIVED_IS_TIME else RECORD.names
    try:
        raw = np.frombuffer(zlib.decompress(data[1:]), np.uint8)
        columns = raw.reshape(len(names or ()), 8, -1)
    except (zlib.error, ValueError) as error:
        raise UnknownFormat(f"A segment is damaged: {error}.") from error
    points = np.empty(columns.shape[2], RECORD)
    for name, column in zip(names or (), columns, strict=True):
        flat = np.ascontiguousarray(column.T).view(RECORD[name]).ravel()
        is_plain = name == "value" or (name, kind) == ("time", TIME_FROM_ARRIVED)
        points[name] = flat if is_plain else np.cumsum(flat)
    if kind == ARRIVED_IS_TIME:
        points["arrived"] = points["time"]
    elif kind == TIME_FROM_ARRIVED:
        points["time"] += points["arrived"]
    return points


def _shuffled(column: NDArray[Any]) -> bytes:
    table = np.ascontiguousarray(column).view(np.uint8).reshape(-1, 8)
    return table.T.tobytes()


def in_order(points: Records) -> Records:
    """By step and time; most are already."""
    steps, times = points["step"], points["time"]
    later = (steps[1:] > steps[:-1]) | (
        (steps[1:] == steps[:-1]) & (times[1:] >= times[:-1])
    )
    return points if later.all() else points[np.lexsort((times, steps))]


class SegmentRow(NamedTuple):
    """The columns of a row of Segment, without its metric."""

    first: int
    count: int  # type: ignore[assignment]  # the column, not the method
    low_step: int
    high_step: int
    low_time: int
    high_time: int
    low: float | None
    high: float | None
    data: bytes


def cut(points: Records, first: int) -> Iterator[SegmentRow]:
    """As segments of at most MAX_SEGMENT; `first` is the place of the first point."""
    for start in range(0, len(points), MAX_SEGMENT):
        part = points[start : start + MAX_SEGMENT]
        steps, times, values = part["step"], part["time"], part["value"]
        finite = values[np.isfinite(values)]
        yield SegmentRow(
            first=first + start,
            count=len(part),
            low_step=int(steps.min()),
            high_step=int(steps.max()),
            low_time=int(times.min()),
            high_time=int(times.max()),
            low=float(finite.min()) if len(finite) else None,
            high=float(finite.max()) if len(finite) else None,
            data=encode(part),
        )


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // MICROSECOND


def moment(time: int) -> datetime:
    return EPOCH + timedelta(microseconds=time)
