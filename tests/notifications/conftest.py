"""Receivers of notifications."""

from __future__ import annotations

import http.server
import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from experiments.models import NotificationChannel, Team, User
from experiments.notifications.channels import ChannelRequest, create_webhook
from experiments.notifications.webhooks import NETWORKS
from tests.pages.accounts.conftest import server

__all__ = ["server"]

ALL_OF_SWEEPS = ("finished", "failed", "stuck", "best")


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it gets, and answers as it should."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.got: list[tuple[Any, bytes]] = []
        self.status, self.location = 200, ""
        self.says = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?key=1"

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


class Request(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers, body))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()
        usual = b"no_service" if self.server.status >= 400 else b"ok"
        self.wfile.write(self.server.says or usual)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """On this machine, which the administrator allows."""
    monkeypatch.setenv(NETWORKS, "127.0.0.1")
    with Receiver() as found:
        Thread(target=found.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        found.shutdown()


def webhook(
    owner: User | Team,
    url: str,
    *,
    actor: User,
    kind: str = "webhook",
    about: tuple[str, ...] = ALL_OF_SWEEPS,
) -> tuple[NotificationChannel, str]:
    return create_webhook(owner, ChannelRequest(kind, "ours", url, about), actor=actor)
