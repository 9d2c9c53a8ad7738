"""gunicorn's worker with threads, in which slow clients hold no thread.

The main loop collects a request until its head and a small body are complete. Only then
a thread gets it. Each step has a deadline as a whole: a client that sends a byte a
second is cut off.

A large body streams through a thread, and a password takes a processor for half a
second. Such requests queue for some of the threads, so that pages and reports always
find another one.

waitress, which also collects requests, takes a whole body before the application can
refuse the request or its token, and writes a large one to disk.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from gunicorn.workers.gthread import TConn, ThreadWorker

# Seconds for a whole head, and for the first bytes of a body.
MAX_STALL = 10.0
# A body must arrive at this rate after its first seconds, in bytes a second.
MIN_RATE = 1_000
MAX_HEAD = 64 << 10
MAX_SMALL_BODY = 64 << 10
# The share of the threads for large bodies, and for passwords.
BODIES, PASSWORDS = 1 / 2, 1 / 4
# Seconds that such a request waits for a thread.
MAX_WAIT = 60.0
READ = 128 << 10
END_OF_HEAD = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
# The client sends no body before an answer, or does not say how long it is.
STREAMED = re.compile(rb"\r\n(expect|transfer-encoding):", re.IGNORECASE)
# The head of an answer, but not of one like "100 Continue".
ANSWER = re.compile(rb"HTTP/1\.. [2-5].*\r\n\r\n\Z", re.DOTALL)
# Requests that check or set a password; a path may be encoded, or follow a host.
POST = re.compile(rb"POST (?:https?://[^/\s]*)?(/\S*)", re.IGNORECASE)
PASSWORD = re.compile(rb"/(login|settings/(password|sessions|confirm)|admin/\w+/user)/")


class MeteredSocket(socket.socket):
    """Ends a transfer whose sender keeps a thread waiting for too long in sum.

    Keeps the head of an answer until the body is there: gunicorn sends them one after
    the other, which wakes the client twice.
    """

    waited, received = 0.0, 0
    head = b""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        if not self.head and ANSWER.match(data):
            self.head = data
        else:
            self.flush(data)

    def flush(self, data: bytes = b"") -> None:
        data, self.head = self.head + data, b""
        if data:
            super().sendall(data)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if self.waited > MAX_STALL + self.received / MIN_RATE:
            raise BlockingIOError("the request arrives too slowly")
        began = time.monotonic()
        data = super().recv(size, flags)
        self.waited += time.monotonic() - began
        self.received += len(data)
        return data


@dataclass
class Arrival:
    """A request of which the main loop has a part."""

    conn: TConn
    data: bytearray
    head: int = 0  # its length, once it is complete
    length: int | None = None  # of the body; None: it streams
    polled: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        body = max(0, len(self.data) - self.head) if self.head else 0
        return self.began + MAX_STALL + body / MIN_RATE

    @property
    def is_small(self) -> bool:
        return self.length is not None and self.length <= MAX_SMALL_BODY

    @property
    def is_complete(self) -> bool:
        return self.is_small and len(self.data) >= self.head + (self.length or 0)

    @property
    def has_password(self) -> bool:
        found = POST.match(self.data)
        return bool(found and PASSWORD.match(unquote_to_bytes(bytes(found[1]))))

    def read_head(self) -> bool:
        """Whether the head is complete."""
        end = self.data.find(END_OF_HEAD)
        if not self.head and end >= 0:
            self.head, self.began = end + len(END_OF_HEAD), time.monotonic()
            head = bytes(self.data[: self.head])
            found = LENGTH.search(head)
            if not STREAMED.search(head):
                self.length = int(found[1]) if found else 0
        return self.head > 0


@dataclass
class Lane:
    """Requests of one kind, which some of the threads take one after another."""

    threads: int
    queued: deque[Arrival] = field(default_factory=deque)
    busy: set[TConn] = field(default_factory=set)

    def ready(self) -> Iterator[Arrival]:
        """Those that may have a thread now."""
        while self.queued and len(self.busy) < self.threads:
            arrival = self.queued.popleft()
            self.busy.add(arrival.conn)
            yield arrival

    def late(self) -> Iterator[Arrival]:
        """Those that have waited for too long."""
        while self.queued and time.monotonic() > self.queued[0].began + MAX_WAIT:
            yield self.queued.popleft()


class CollectingWorker(ThreadWorker):  # type: ignore[misc]
    notified = 0.0

    def init_process(self) -> None:
        self.collecting: dict[int, Arrival] = {}
        self.bodies, self.passwords = (
            Lane(max(1, int(self.cfg.threads * share))) for share in (BODIES, PASSWORDS)
        )
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Called for a new connection, and for each further request on it."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
            return
        rest = b""
        if conn.initialized:
            rest = conn.parser.unreader.take_buffered()
        else:
            conn.sock = MeteredSocket(fileno=conn.sock.detach())
        conn.sock.setblocking(False)
        arrival = Arrival(conn, bytearray(rest))
        self.collecting[id(conn)] = arrival
        # Most requests are here already, and the poller's own steps take time.
        self.on_bytes(arrival)
        if id(conn) in self.collecting:
            arrival.polled = True
            self.poller.register(
                conn.sock, selectors.EVENT_READ, partial(self.on_bytes, arrival)
            )

    def on_bytes(self, arrival: Arrival, sock: Any = None) -> None:
        try:
            data = arrival.conn.sock.recv(READ)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        if data == b"":
            self.drop(arrival)
            return
        arrival.data += data or b""
        self.advance(arrival)

    def advance(self, arrival: Arrival) -> None:
        if not arrival.read_head():
            if len(arrival.data) > MAX_HEAD:
                self.drop(arrival, "431 Request Header Fields Too Large")
        elif not arrival.is_small:
            self.queue(arrival, self.bodies)
        elif arrival.is_complete and arrival.has_password:
            self.queue(arrival, self.passwords)
        elif arrival.is_complete:
            self.leave(arrival)
            self.hand_over(arrival)

    def leave(self, arrival: Arrival) -> None:
        """The main loop reads no more of it."""
        del self.collecting[id(arrival.conn)]
        if arrival.polled:
            self.poller.unregister(arrival.conn.sock)

    def queue(self, arrival: Arrival, lane: Lane) -> None:
        self.leave(arrival)
        arrival.began = time.monotonic()
        lane.queued.append(arrival)
        self.start(lane)

    def start(self, lane: Lane) -> None:
        for arrival in lane.ready():
            self.hand_over(arrival)

    def hand_over(self, arrival: Arrival) -> None:
        conn = arrival.conn
        conn.sock.waited, conn.sock.received = 0.0, 0
        conn.data_ready = True
        conn.init()
        conn.parser.unreader.unread(bytes(arrival.data))
        super().enqueue_req(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        try:
            return super().handle_request(req, conn)
        finally:
            if not self.cfg.is_ssl:
                conn.sock.flush()

    def notify(self) -> None:
        """Called for each event, but the arbiter asks once a second."""
        now = time.monotonic()
        if now > self.notified + 1:
            self.notified = now
            super().notify()

    def finish_request(self, conn: TConn, fs: Any) -> None:
        for lane in (self.bodies, self.passwords):
            lane.busy.discard(conn)
            self.start(lane)
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Drop what takes too long; the main loop calls this every second."""
        now = time.monotonic()
        for arrival in list(self.collecting.values()):
            if now > arrival.deadline or not (self.alive or arrival.data):
                self.drop(arrival, "408 Request Timeout" if arrival.data else "")
        for lane in (self.bodies, self.passwords):
            for arrival in lane.late():
                self.refuse(arrival, "503 Service Unavailable")

    def drop(self, arrival: Arrival, status: str = "") -> None:
        self.leave(arrival)
        self.refuse(arrival, status)

    def refuse(self, arrival: Arrival, status: str) -> None:
        """Close the connection, after a short answer if there is a status."""
        sock = arrival.conn.sock
        if status:
            sock.setblocking(False)
            lines = (f"HTTP/1.1 {status}", "Connection: close", "Content-Length: 0")
            retry = ["Retry-After: 5"] * status.startswith("503")
            # It may be gone already.
            with suppress(OSError):
                sock.send("\r\n".join([*lines, *retry, "", ""]).encode())
        self.nr_conns -= 1
        arrival.conn.close()
