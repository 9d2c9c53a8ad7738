"""The socket of the web server's worker."""

from __future__ import annotations

import socket

import pytest

from sweepsite.web_worker import MeteredSocket


def test_the_head_of_an_answer_waits_for_its_body() -> None:
    ours, client = socket.socketpair()
    client.setblocking(False)
    sock = MeteredSocket(fileno=ours.detach())
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

    sock.sendall(head)
    with pytest.raises(BlockingIOError):
        client.recv(100)
    sock.sendall(b"ok")
    assert client.recv(100) == head + b"ok"

    # An answer without a body.
    sock.sendall(head)
    sock.flush()
    assert client.recv(100) == head

    # What comes before an answer.
    for text in (b"HTTP/1.1 100 Continue\r\n\r\n", b"0\r\n\r\n"):
        sock.sendall(text)
        assert client.recv(100) == text
    sock.close()
    client.close()
