"""Clients that stand still in the middle do not hold the site's threads."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from sweepsite import web_server, web_worker
from tests.processes.running_site import ROOT, free_port, wait_for

pytestmark = pytest.mark.processes

LIMIT = 2
# As the site's, but shorter, so that the test is quicker.
SERVED = f"""
from sweepsite import web_server, web_worker
web_server.MAX_STALL = web_worker.MAX_STALL = {LIMIT}
from sweepsite.web_server import *
"""
# An application that answers with a file, as the site's downloads are answered.
FILER = """
import threading, time
busy, most = set(), 0

def password(start_response):
    global most
    busy.add(threading.get_ident())
    most = max(most, len(busy))
    time.sleep(0.3)
    busy.discard(threading.get_ident())
    start_response("200 OK", [("Content-Length", "7")])
    return [b"%7d" % most]

def filer(environ, start_response):
    if environ["PATH_INFO"] == "/login/":
        return password(start_response)
    if environ["PATH_INFO"] == "/upload":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", "7")])
        return [b"%7d" % len(body)]
    if environ["PATH_INFO"] != "/file":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    start_response("200 OK", [("Content-Length", "{size}")])
    return environ["wsgi.file_wrapper"](open("{path}", "rb"))
"""
HALF = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "


def upload_head(size: int) -> bytes:
    return (
        "POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()


READER = b"GET /file HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LARGE = 64 << 20
SMALL_BODY, LARGE_BODY = 2_000, 600_000
# 15 clients stop in their heads, 15 in small bodies, 10 in large ones.
TRICKLES = [
    *[HALF] * 15,
    *[upload_head(SMALL_BODY)] * 15,
    *[upload_head(LARGE_BODY)] * 10,
]


@contextmanager
def served(folder: Path, *application: str) -> Iterator[int]:
    """Its port. The site's database has no tables: it answers nonetheless."""
    port = free_port()
    (folder / "served.py").write_text(SERVED)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
            *("-c", str(folder / "served.py"), *application),
        ],
        cwd=ROOT,
        env={**os.environ, "SWEEPSITE_HOME": str(folder), "DATABASE_URL": ""},
        start_new_session=True,
    )
    try:
        wait_for(lambda: answer(port, within=5), "the site", timeout=120)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with served(tmp_path) as port:
        yield port


@pytest.fixture
def files_port(tmp_path: Path) -> Iterator[int]:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(LARGE)
    (tmp_path / "filer.py").write_text(FILER.format(size=LARGE, path=large))
    with served(tmp_path, "filer:filer", "--pythonpath", str(tmp_path)) as port:
        yield port


def connected(port: int, stack: ExitStack, *, within: float = 60) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), timeout=within)
    return stack.enter_context(line)


def answer(port: int, *, within: float, asked: str = "/healthz") -> bytes:
    """What the site says first; nothing in so many seconds."""
    try:
        with ExitStack() as stack:
            line = connected(port, stack, within=within)
            line.sendall(f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            return line.recv(10_000)
    except OSError:
        return b""


def test_others_do_not_wait_for_clients_that_say_no_more(port: int) -> None:
    with ExitStack() as stack:
        stalled = [connected(port, stack) for _ in range(web_server.threads)]
        for line in stalled:
            line.sendall(HALF)
        assert answer(port, within=60).startswith(b"HTTP/1.1 ")
        for line in stalled:
            while line.recv(10_000):
                pass


def trickle(lines: list[socket.socket]) -> list[socket.socket]:
    """Send a byte on each; those that the site has not closed."""
    left = []
    for line in lines:
        with suppress(OSError):
            line.sendall(b"x")
            left.append(line)
    return left


def test_no_request_waits_for_forty_clients_that_send_a_byte_now_and_then(
    files_port: int,
) -> None:
    with ExitStack() as stack:
        lines = [connected(files_port, stack) for _ in TRICKLES]
        for line, head in zip(lines, TRICKLES, strict=True):
            line.sendall(head)
        until = time.monotonic() + 60
        while lines and time.monotonic() < until:
            # Much less than a second, unless the machine is busy.
            assert answer(files_port, within=15).startswith(b"HTTP/1.1 200 ")
            lines = trickle(lines)
            time.sleep(LIMIT / 8)
    assert not lines, "the site never closes some of them"


def test_a_slow_upload_that_proceeds_is_accepted(files_port: int) -> None:
    with ExitStack() as stack:
        line = connected(files_port, stack)
        line.sendall(upload_head(LARGE_BODY))
        for _ in range(30):
            line.sendall(b"x" * (LARGE_BODY // 30))
            time.sleep(LIMIT / 15)
        with line.makefile("rb") as said:
            assert said.read().endswith(str(LARGE_BODY).encode())


def body_of(line: socket.socket) -> bytes:
    """Of an answer of 7 bytes. The server waits for the client to close first."""
    with line, line.makefile("rb") as answer:
        while answer.readline().strip():
            pass
        return answer.read(7)


def test_many_passwords_queue_for_some_of_the_threads(files_port: int) -> None:
    with ExitStack() as stack:
        lines = [connected(files_port, stack) for _ in range(20)]
        for line, path in zip(
            lines, [b"/login/", b"http://h/%6cogin/"] * 10, strict=True
        ):
            line.sendall(upload_head(4).replace(b"/upload", path) + b"name")
        assert answer(files_port, within=15).startswith(b"HTTP/1.1 200 ")
        said = {body_of(line) for line in lines}
    share = int(web_server.threads * web_worker.PASSWORDS)
    assert {int(body) for body in said} == {share}


def test_others_do_not_wait_for_clients_that_read_no_more(files_port: int) -> None:
    with ExitStack() as stack:
        stalled = [connected(files_port, stack) for _ in range(web_server.threads)]
        for line in stalled:
            line.sendall(READER)
            assert line.recv(1_000).startswith(b"HTTP/1.1 200 ")
        assert answer(files_port, within=60).startswith(b"HTTP/1.1 ")


def test_a_form_that_stops_midway_gets_an_error(port: int) -> None:
    """Its token was in what is missing."""
    page = answer(port, within=60, asked="/login/").decode()
    found = re.search(r"csrftoken=(\w+)", page)
    assert found is not None, page
    head = (
        "POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Cookie: csrftoken={found[1]}\r\n\r\nusername=ada"
    )
    with ExitStack() as stack:
        line = connected(port, stack)
        line.sendall(head.encode())
        said = line.recv(10_000)
        assert said.startswith(b"HTTP/1.1 408 "), said


def test_a_request_of_two_lengths_is_refused(files_port: int) -> None:
    """A proxy may believe the other one, and take the rest for a second request."""
    lengths = (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 50",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 5",
    )
    hidden = b"0\r\n\r\nGET /upload HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for length in lengths:
        with ExitStack() as stack:
            line = connected(files_port, stack)
            head = b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\n" + length
            line.sendall(head + b"\r\n\r\n" + hidden)
            with line.makefile("rb") as said:
                answers = said.read()
        assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), length
        assert answers.count(b"HTTP/1.1 ") == 1
