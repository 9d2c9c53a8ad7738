"""Requests to addresses that people enter: where they go, and what is said of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from experiments.models import Notification
from experiments.notifications import webhooks
from experiments.notifications.messages import (
    signed_headers,
    slack_body,
    webhook_body,
)
from experiments.notifications.webhooks import NETWORKS, WebhookError, post
from tests.notifications.conftest import Receiver
from tests.runner.test_outbound import redirecting

__all__ = ["redirecting"]


def refusal(url: str) -> str:
    with pytest.raises(WebhookError) as caught:
        post(url, b"{}", {})
    return str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.1.2.3", "0.0.0.0"),
        *("2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[64:ff9b::a01:203]"),
        *("192.168.1.1", "[fe80::1]", "[fd00::1]", "100.64.0.1", "224.0.0.1"),
    ],
)
def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    found = refusal(f"https://{host}/hook")
    assert "is not a public address" in found
    assert NETWORKS in found


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.org/", "begins with https://"),
        ("https:///hook", "has a host"),
        ("http://example.org/", "Use https://"),
        ("https://ada:secret@example.org/", "user name or password"),
        ("https://example.org:99999/", "not an address"),
        ("https://example.org/a b", "without spaces"),
        ("https://exämple.org/", "ASCII"),
    ],
)
def test_other_addresses_are_refused(url: str, words: str) -> None:
    assert words in refusal(url)


def test_it_connects_to_the_address_that_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name stands for a public address first, and for this machine a moment
    later."""
    answers = iter(["127.0.0.1", "10.0.0.1", "10.0.0.1"])

    def resolve(host: str, port: Any, *args: Any, **more: Any) -> Any:
        address = next(answers) if host == "rebind.example" else host
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setenv(NETWORKS, "rebind.example")
    url = f"http://rebind.example:{receiver.server_port}/hook"
    assert post(url, b"{}", {}) == "rebind.example answered 200: ok"
    ((headers, _),) = receiver.got
    assert headers["Host"] == f"rebind.example:{receiver.server_port}"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.location = 302, receiver.url
    assert "a redirect, which is not followed" in refusal(receiver.url)
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("status", "is_final"), [(404, True), (410, True), (429, False), (503, False)]
)
def test_a_refusal_is_final_unless_a_later_try_can_help(
    receiver: Receiver, status: int, is_final: bool
) -> None:
    receiver.status = status
    with pytest.raises(WebhookError) as caught:
        post(receiver.url, b"{}", {})
    assert str(caught.value) == f"127.0.0.1 answered {status}: no_service"
    assert caught.value.is_final == is_final


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 "])
def test_a_host_that_never_ends_is_left(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that sends a byte now and then, so that no single step is slow."""
    monkeypatch.setattr(webhooks, "MAX_SECONDS", 1)
    monkeypatch.setenv(NETWORKS, "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with contextlib.suppress(OSError):
                connection.sendall(sent)
                while time.monotonic() < end:
                    time.sleep(0.2)
                    connection.sendall(b"a" if sent else b"")

        end = time.monotonic() + 30
        Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        found = refusal(f"http://127.0.0.1:{server.getsockname()[1]}/")
    assert found == "127.0.0.1 did not answer within 1 second."
    assert time.monotonic() - began < 20


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORKS, "127.0.0.1")
    assert refusal("http://127.0.0.1:1/") == "127.0.0.1 refused the connection."


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_certificate_must_be_valid(
    redirecting: tuple[int, Path, list[str]],
    is_trusted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, certificate, asked = redirecting
    monkeypatch.setenv(NETWORKS, "localhost")
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    found = refusal(f"https://localhost:{port}/hook?a=1")
    if is_trusted:
        assert "certificate" not in found
        assert asked == ["/hook?a=1"]
    else:
        assert found.startswith("localhost has no valid certificate: self")
        assert asked == []


def test_a_signature_is_that_of_the_standard() -> None:
    key, body = b"k" * 32, b'{"a": 1}'
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed_headers(body, name="msg_7", secret=secret)
    moment = headers["webhook-timestamp"]
    assert abs(int(moment) - time.time()) < 60
    expected = hmac.new(key, f"msg_7.{moment}.".encode() + body, hashlib.sha256)
    signature = base64.b64encode(expected.digest()).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"
    assert headers["webhook-id"] == "msg_7"


def test_texts_of_people_mention_nobody(settings: Any) -> None:
    settings.SITE_URL = "https://sweeps.example"
    about = Notification(
        kind="failed",
        title="<!channel> & @all",
        message="a<b by ada@b.org",
        path="/sweeps/1/",
    )
    assert json.loads(slack_body(about)) == {
        "text": "*&lt;!channel&gt; &amp; @\u200ball*\na&lt;b by ada@b.org\n"
        "<https://sweeps.example/sweeps/1/|Open>"
    }


def test_a_program_gets_plain_facts(settings: Any) -> None:
    settings.SITE_URL = "https://sweeps.example"
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    about = Notification(
        kind="failed",
        title="Sweep digits-1 has failed",
        message="All failed.",
        path="/sweeps/1/",
        sweep_id=1,
        experiment_id=2,
        created_at=moment,
    )
    assert json.loads(webhook_body(about)) == {
        "type": "sweep.failed",
        "timestamp": "2026-01-02T03:04:05Z",
        "data": {
            "title": "Sweep digits-1 has failed",
            "message": "All failed.",
            "url": "https://sweeps.example/sweeps/1/",
            "team": None,
            "experiment": 2,
            "sweep": 1,
        },
    }
