"""A proxy in front of a site that sends each request twice and loses answers."""

from __future__ import annotations

import http.client
import random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

LOST = 0.2


class UnreliableProxy:
    """``url`` is where clients send; ``lost`` counts answers that never came."""

    def __init__(self, site: str, *, seed: int = 7) -> None:
        self.target = urlsplit(site)
        self.lost, self.answered = 0, 0
        self._chance, self._lock = random.Random(seed), Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                proxy.forward(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forward(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if "chunked" in request.headers.get("Transfer-Encoding", ""):
            # Clients send empty files so.
            assert request.rfile.readline() == b"0\r\n"
            request.rfile.readline()
        self._send(request, body)
        answer, content = self._send(request, body)
        with self._lock:
            is_lost = self._chance.random() < LOST
            self.lost, self.answered = self.lost + is_lost, self.answered + 1
        if is_lost:
            request.close_connection = True
            return
        request.send_response(answer.status)
        for name in ("Content-Type", "Retry-After"):
            if answer.getheader(name):
                request.send_header(name, str(answer.getheader(name)))
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _send(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(
            str(self.target.hostname), self.target.port, timeout=60
        )
        hop = ("host", "content-length", "transfer-encoding", "connection")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in hop}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content
