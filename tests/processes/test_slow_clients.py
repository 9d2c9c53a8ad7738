"""Clients that stand still in the middle do not hold the site's threads."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sweepsite import web_server
from tests.processes.running_site import ROOT, free_port, wait_for

pytestmark = pytest.mark.processes

LIMIT = 2
# As the site's, but shorter, so that the test is quicker.
SERVED = f"""
from sweepsite import web_server
web_server.MAX_STALL = {LIMIT}
from sweepsite.web_server import *
"""
# An application that answers with a file, as the site's downloads are answered.
FILER = """
def filer(environ, start_response):
    if environ["PATH_INFO"] != "/file":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    start_response("200 OK", [("Content-Length", "{size}")])
    return environ["wsgi.file_wrapper"](open("{path}", "rb"))
"""
HALF = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
READER = b"GET /file HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LARGE = 64 << 20


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
