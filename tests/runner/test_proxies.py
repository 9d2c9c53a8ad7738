"""The way to the site, where the environment names a proxy and where it does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from experiments.runner.errors import SiteAway, SiteSilent
from experiments.runner.http import Connection

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Proxy(HTTPServer):
    """Notes what is asked of it; opens no tunnel."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str]] = []
        self.url = f"http://ada:p%40ss@127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        self._note()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"through": "the proxy"}')

    def do_CONNECT(self) -> None:
        self._note()
        self.send_error(403)

    def _note(self) -> None:
        given = self.headers.get("Proxy-Authorization", "")
        self.server.asked.append((self.command, self.path, given))

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_proxy_gets_the_whole_address_and_its_own_password(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    site = Connection("http://site.example/api", "token")
    assert site.send_json("beat?x=1", {}) == {"through": "the proxy"}
    whole = "http://site.example/api/beat?x=1"
    assert proxy.asked == [("POST", whole, "Basic YWRhOnBAc3M=")]


def test_a_secret_way_leads_through_a_tunnel(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.removeprefix("http://"))
    with pytest.raises(SiteAway, match="403"):
        Connection("https://site.example/api", "token").send_json("beat", {})
    assert proxy.asked == [("CONNECT", "site.example:443", "Basic YWRhOnBAc3M=")]


def test_a_host_that_needs_no_proxy_is_reached_without(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "site.invalid")
    for address in ("http://site.invalid/api", "http://localhost:9/api"):
        with pytest.raises((SiteAway, SiteSilent)):
            Connection(address, "token").send_json("beat", {})
    assert proxy.asked == []
