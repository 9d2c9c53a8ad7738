"""What a training process prints: read without blocking it, and limited in size.

Output goes to a file on the worker, so memory stays small while the site is away. A
flood of output is cut to a steady rate; its last lines are kept for the end, where a
traceback would be. Marks tell standard output, standard error and remarks apart.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from experiments.runner.folder import size_in_words
from experiments.runner.log_marks import Marker, Stream, pieces, plain

logger = logging.getLogger(__name__)

RATE = 64 * 1024  # bytes a second, averaged
BURST = 256 * 1024
RESUME = 32 * 1024
TAIL = 256 * 1024
MAX_LINE_LENGTH = 8 * 1024
READ_SIZE = 64 * 1024
READS_AT_ONCE = 16
NOTICE_ROOM = 512


def pump(fd: int, take: Callable[[bytes], None]) -> bool:
    """Hand over what is readable from a non-blocking pipe; False at its end.

    Stops after a megabyte, so that a flood does not keep the runner from other work.
    """
    for _ in range(READS_AT_ONCE):
        try:
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return True
        if not data:
            return False
        take(data)
    return True


class OutputLog:
    """The log file of one attempt: at most `limit` bytes, at most RATE a second."""

    def __init__(
        self,
        path: Path,
        *,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0
        # Bytes that the worker's disk did not take, and why.
        self.lost = 0
        self.problem = ""
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._clock = clock
        self._tail_size = min(TAIL, limit // 4)
        self._room = max(0, limit - self._tail_size - NOTICE_ROOM)
        self._tokens = float(BURST)
        self._refilled_at = clock()
        self._lines = {stream: LineCutter() for stream in Stream}
        self._left_out = 0
        self._tail = bytearray()
        self._marker, self._tail_marker = Marker(now), Marker(now)
        self._last_stream = Stream.OUT
        self._ends_line = True

    def feed(self, data: bytes, stream: Stream = Stream.OUT) -> None:
        """Take output as raw bytes."""
        self._refill()
        if self._left_out:
            data = self._resume(data, stream)
        data = self._lines[stream].cut(data) if data else b""
        allowed = max(0, int(min(self._tokens, self._room)))
        if len(data) <= allowed:
            self._spend(data, stream)
            return
        at = data.rfind(b"\n", 0, allowed) + 1 or allowed
        self._spend(data[:at], stream)
        self._leave_out(data[at:], stream)

    def note(self, sentence: str) -> None:
        """Add a line of the runner's own, outside the flood's limits."""
        if not self._ends_line:
            self._spend(b"\n", self._last_stream)
        self._spend(f"[sweepsite: {sentence}]\n".encode(), Stream.RUNNER)
        self._restart_lines()

    def close(self) -> None:
        """Write the kept end of a flood; notes may still follow."""
        if self._left_out:
            tail = self._whole_lines_of_tail()
            self._left_out -= len(plain(tail))
            self._restart_lines()
            self._note_left_out()
            for data, stream, at in pieces(tail):
                self._write(self._lines[stream].cut(data), stream, at)
        for stream, lines in self._lines.items():
            self._write(lines.rest(), stream)
            self.dropped += lines.dropped

    def last_lines(self, count: int) -> bytes:
        """The last lines, if they are kept."""
        text = plain(bytes(self._tail) if self._left_out else self._end_of_file())
        return b"\n".join(text.strip().splitlines()[-count:])

    def _end_of_file(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.written - MAX_LINE_LENGTH))
                return file.read()
        except OSError:
            return b""

    def release(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _refill(self) -> None:
        now = self._clock()
        gained = (now - self._refilled_at) * RATE
        self._tokens = min(BURST, self._tokens + gained)
        self._refilled_at = now

    def _resume(self, data: bytes, stream: Stream) -> bytes:
        """Continue at the start of a line once there is room; b"" until then."""
        end = data.find(b"\n") + 1
        if not end or min(self._tokens, self._room) < RESUME:
            self._leave_out(data, stream)
            return b""
        self._leave_out(data[:end], stream)
        self._restart_lines()
        self._note_left_out()
        return data[end:]

    def _restart_lines(self) -> None:
        for lines in self._lines.values():
            lines.restart()

    def _leave_out(self, data: bytes, stream: Stream) -> None:
        self._left_out += len(data)
        kept = data[-self._tail_size :] if self._tail_size else b""
        self._tail += self._tail_marker.mark(kept, stream)
        del self._tail[: max(0, len(self._tail) - self._tail_size)]

    def _note_left_out(self) -> None:
        if self._left_out > 0:
            self.dropped += self._left_out
            self.note(f"{size_in_words(self._left_out)} of output left out")
        self._left_out = 0
        self._tail.clear()
        self._tail_marker.restart()

    def _whole_lines_of_tail(self) -> bytes:
        tail = bytes(self._tail)
        if len(plain(tail)) == self._left_out:
            return tail
        return tail[tail.find(b"\n") + 1 :]

    def _spend(self, data: bytes, stream: Stream) -> None:
        self._tokens -= len(data)
        self._room -= len(data)
        self._write(data, stream)

    def _write(self, data: bytes, stream: Stream, at: int | None = None) -> None:
        """A full disk costs log lines, never the trial."""
        if not data:
            return
        self._ends_line = data.endswith((b"\n", b"\r"))
        self._last_stream = stream
        marked = self._marker.mark(data, stream, at)
        self._room -= len(marked) - len(data)
        view = memoryview(marked)
        while view:
            try:
                count = os.write(self._fd, view)
            except OSError as problem:
                logger.warning("output could not be written to disk: %s", problem)
                self.lost += min(len(view), len(data))
                self.problem = problem.strerror or str(problem)
                return
            self.written += count
            view = view[count:]


class LineCutter:
    """Shortens lines of more than MAX_LINE_LENGTH bytes, also across chunks.

    A carriage return ends a line too: progress bars may print nothing else for hours.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._column = 0
        self._skipped = 0

    def restart(self) -> None:
        """The next byte begins a line."""
        self.dropped += self._skipped
        self._column = 0
        self._skipped = 0

    def cut(self, data: bytes) -> bytes:
        return b"".join(map(self._cut_piece, data.splitlines(keepends=True)))

    def rest(self) -> bytes:
        """The remark on a line that was cut and never ended."""
        remark = self._remark()
        self.restart()
        return remark

    def _cut_piece(self, piece: bytes) -> bytes:
        body = piece.rstrip(b"\r\n")
        room = max(0, MAX_LINE_LENGTH - self._column)
        self._column += len(body)
        self._skipped += max(0, len(body) - room)
        kept = body[:room]
        ending = piece[len(body) :]
        if not ending:
            return kept
        kept += self._remark() + ending
        self.restart()
        return kept

    def _remark(self) -> bytes:
        if not self._skipped:
            return b""
        return f" [sweepsite: {size_in_words(self._skipped)} left out]".encode()
