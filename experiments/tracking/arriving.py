"""The series that a group of requests adds to, until they are stored.

A point is known by its name, step, time and value: the same again changes nothing.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator, Sequence
from operator import itemgetter, lt
from threading import Lock
from typing import Any, NamedTuple

from experiments.tracking import codec
from experiments.tracking.codec import MIN_SEGMENT

# A point in a tail, as codec.RECORD.
RECORD = struct.Struct("<qqqd")
DROPPED = (
    "its step has other values, and without a time or a batch key it may be one of them"
)


class Sent(NamedTuple):
    """A reported point; its time is in microseconds since 1970, None if unknown."""

    name: str
    step: int
    value: float
    time: int | None = None


STEP = itemgetter(Sent._fields.index("step"))


class Entry(NamedTuple):
    """A stored point of some step. ``place`` counts from the start of the tail; below
    zero it is in a segment."""

    time: int
    value: float
    place: int

    def has(self, value: float) -> bool:
        return self.value == value or (math.isnan(value) and math.isnan(self.value))


class _ArrivalClock:
    """The time in microseconds, but always later than the time before."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = Lock()

    def take(self, count: int) -> range:
        """Times for some points that arrive together."""
        with self._lock:
            first = max(self._last + 1, time.time_ns() // 1_000)
            self._last = first + count - 1
        return range(first, first + count)


CLOCK = _ArrivalClock()


class ArrivingSeries:
    """A row of Metric, and the points that were stored at the steps in question."""

    def __init__(self, row: Sequence[Any]) -> None:
        self.pk, self.attempt, self.name, self.count, *others = row
        self.last_step, self.last_time, self.last_value, *others = others
        self.low, self.high, tail, self.collected = others
        self.tail = bytearray(tail)
        self.is_changed = False
        self._segments: list[bytes] = []
        self._known: dict[int, list[Entry]] | None = None
        # The place of the first point of the current batch.
        self._batch_start = 0
        # Of what is stored; points beyond it cannot be known.
        self._stored_last = (self.last_step, self.last_time)

    @property
    def _in_tail(self) -> int:
        return len(self.tail) // RECORD.size

    @property
    def has_segments(self) -> bool:
        return bool(self.count > self._in_tail)

    def steps_to_look_up(self, points: Sequence[Sent]) -> list[int]:
        """Those of points that a segment may have; it has to be read then."""
        last_step, _ = self._stored_last
        if not self.has_segments or min(map(STEP, points)) > last_step:
            return []
        return [p.step for p in points if not _is_later(p, *self._stored_last)]

    def add_segment(self, data: bytes) -> None:
        """A segment that may have some of the points."""
        self._segments.append(data)
        self._known = None

    def begin_batch(self) -> None:
        self._batch_start = self._in_tail

    def take_all(self, points: Sequence[Sent]) -> bool:
        """Add points that are in order and later than all others, so that none of them
        can be known. False: each has to be looked at."""
        _, steps, values, times = zip(*points, strict=True)
        first_is_later = _is_later(points[0], self.last_step, self.last_time)
        if self._known is not None or not first_is_later or not _rise(steps, times):
            return False
        arrived = CLOCK.take(len(points))
        if None in times:
            pairs = zip(times, arrived, strict=True)
            times = tuple(now if moment is None else moment for moment, now in pairs)
        self.tail += b"".join(map(RECORD.pack, steps, times, arrived, values))
        self.count += len(points)
        self.is_changed = True
        self.last_step, self.last_time, self.last_value = (
            steps[-1],
            times[-1],
            values[-1],
        )
        self._widen(values)
        return True

    def take(self, point: Sent, *, keyed: bool) -> str | None:
        """Add a point unless it is known: None. An empty text: it is known. A sentence:
        why it is dropped. In a batch with a key, a point without a time is new."""
        new = _is_later(point, self.last_step, self.last_time)
        if not new and not (keyed and point.time is None):
            found = self._found(point)
            if found is not None:
                return found
        self._add(point)
        return None

    def _found(self, point: Sent) -> str | None:
        """Empty: it is stored. A sentence: it cannot be told apart from another."""
        entries = self._entries().get(point.step, ())
        if point.time is not None:
            same = any(e.time == point.time and e.has(point.value) for e in entries)
            return "" if same else None
        before = [entry for entry in entries if entry.place < self._batch_start]
        if not before:
            return None
        return "" if any(entry.has(point.value) for entry in before) else DROPPED

    def _entries(self) -> dict[int, list[Entry]]:
        if self._known is None:
            self._known = {}
            for data in self._segments:
                points = codec.decode(data)
                for step, moment, _, value in points.tolist():
                    self._known.setdefault(step, []).append(Entry(moment, value, -1))
            for place, record in enumerate(RECORD.iter_unpack(self.tail)):
                step, moment, _, value = record
                self._known.setdefault(step, []).append(Entry(moment, value, place))
        return self._known

    def _add(self, point: Sent) -> None:
        (arrived,) = CLOCK.take(1)
        _, step, value, moment = point
        if moment is None:
            moment = arrived
        if self._known is not None:
            entry = Entry(moment, value, self._in_tail)
            self._known.setdefault(step, []).append(entry)
        self.tail += RECORD.pack(step, moment, arrived, value)
        self.count += 1
        self.is_changed = True
        if self.last_step is None or (step, moment) >= (self.last_step, self.last_time):
            self.last_step, self.last_time, self.last_value = step, moment, value
        self._widen((value,))

    def _widen(self, values: Sequence[float]) -> None:
        """The range of the finite values."""
        finite = [*filter(math.isfinite, values)]
        if finite:
            low, high = min(finite), max(finite)
            self.low = low if self.low is None or low < self.low else self.low
            self.high = high if self.high is None or high > self.high else self.high

    def clear(self) -> None:
        """Forget all points; their segments have to be deleted."""
        self.count, self.is_changed = 0, True
        self.last_step = self.last_time = self.last_value = self.low = self.high = None
        self.tail.clear()
        self._segments.clear()
        self._known, self._stored_last = None, (None, None)
        self._batch_start = 0

    def full_segments(self) -> Iterator[Sequence[Any]]:
        """Rows of sql.INSERT_SEGMENT, if the tail is full; it is empty after that."""
        if self._in_tail < MIN_SEGMENT:
            return
        points = codec.from_tail(bytes(self.tail))
        for segment in codec.cut(points, self.count - len(points)):
            yield self.pk, *segment
        self.tail.clear()

    def row(self) -> Sequence[Any]:
        """The parameters of sql.UPDATE_METRIC. NULL stands for NaN."""
        value = self.last_value
        last = None if value is None or math.isnan(value) else value
        return (
            *(self.count, self.last_step, self.last_time, last, self.low, self.high),
            *(bytes(self.tail), self.collected, self.pk),
        )


def _is_later(point: Sent, step: int | None, moment: int | None) -> bool:
    """Whether it is after all points up to a step and time, and so is none of them."""
    if step is None or point.step > step:
        return True
    if point.time is None or moment is None:
        return False
    return point.step == step and point.time > moment


def _rise(steps: Sequence[int], times: Sequence[int | None]) -> bool:
    """Whether each point is later than the one before."""
    if all(map(lt, steps, steps[1:])):
        return True
    if None in times:
        return False
    moments = [*zip(steps, times, strict=True)]
    return all(map(lt, moments, moments[1:]))
