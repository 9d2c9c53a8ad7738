"""Clients that begin a request and say no more do not hold the site's threads."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sweepsite import web_server
from tests.processes.running_site import ROOT, free_port, wait_for

pytestmark = pytest.mark.processes

HALVES = (
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nusername=",
)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where the site is served. Its database has no tables: it answers nonetheless."""
    port = free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
            *("-c", str(ROOT / "sweepsite" / "web_server.py")),
        ],
        cwd=tmp_path,
        env={**os.environ, "SWEEPSITE_HOME": str(tmp_path), "DATABASE_URL": ""},
        start_new_session=True,
    )
    wait_for(lambda: answer(port, within=5), "the site", patience=120)
    yield port
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def answer(port: int, *, within: float) -> bytes:
    """The first line of what the site says to /healthz; nothing in so many seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=within) as line:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return line.recv(1000).partition(b"\r\n")[0]
    except OSError:
        return b""


def test_the_others_wait_for_stalled_clients_at_most_as_long_as_they_may(
    port: int,
) -> None:
    with ExitStack() as stack:
        stalled = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(web_server.threads)
        ]
        for number, line in enumerate(stalled):
            line.sendall(HALVES[number % len(HALVES)])
        time.sleep(1)
        assert not answer(port, within=1), "nobody holds the threads"

        assert answer(port, within=web_server.MOST_STALL * 3).startswith(b"HTTP/1.1 ")
        for line in stalled:
            line.settimeout(web_server.MOST_STALL * 3)
            while line.recv(10_000):
                pass
