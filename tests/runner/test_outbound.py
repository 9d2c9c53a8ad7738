"""Hosts that a person names: only public addresses, unless an administrator allows."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import git as git_module
from experiments.runner.code import CodeError
from experiments.runner.environment import ALLOWED_NETWORKS
from experiments.runner.git import Repository
from experiments.runner.outbound import HostRefused, checked_addresses
from experiments.runner.sources import GitSource

PRIVATE = (
    *("127.0.0.1", "127.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "::1", "fe80::1", "fd00::1", "224.0.0.1"),
    *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "localhost", "2130706433"),
    *("fec0::1", "64:ff9b:1::a00:1", "64:ff9b::e000:1", "2002:e000:1::", "::10.0.0.1"),
)


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    with pytest.raises(HostRefused, match="is not a public address"):
        checked_addresses(host, 443, {})


@pytest.mark.parametrize("host", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_passes(host: str) -> None:
    assert checked_addresses(host, 443, {}) == [host]


@pytest.mark.parametrize(
    "allowed", ["10.1.2.3", "10.0.0.0/8", "example.org, 10.1.0.0/16"]
)
def test_an_administrator_allows_networks(allowed: str) -> None:
    assert checked_addresses("10.1.2.3", 443, {ALLOWED_NETWORKS: allowed})
    with pytest.raises(HostRefused):
        checked_addresses("192.168.0.1", 443, {ALLOWED_NETWORKS: allowed})


def test_a_name_counts_as_all_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        return [(0, 0, 0, "", (each, port)) for each in ("1.1.1.1", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(HostRefused, match=r"rebind.example \(10.0.0.1\)"):
        checked_addresses("rebind.example", 443, {})
    allowed = {ALLOWED_NETWORKS: "REBIND.example"}
    assert checked_addresses("rebind.example", 443, allowed) == ["1.1.1.1", "10.0.0.1"]


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """How git connects to a host with some addresses."""

    def connection(url: str, *found: str, **worker: str) -> str:
        monkeypatch.setattr(git_module, "checked_addresses", lambda *_: found)
        monkeypatch.setattr(Repository, "_pause", lambda *_: None)
        unused: Any = None
        made = Repository(
            GitSource(url=url),
            home=tmp_path,
            programs=unused,
            waiting=unused,
            worker=worker,
        )
        return made._remote()[1].get("GIT_SSH_COMMAND", "as the user has set it up")

    return connection


def test_ssh_connects_to_the_address_that_was_checked(ssh: Any) -> None:
    assert ssh("git@h.org:r.git", "1.1.1.1", "1.0.0.1") == (
        "ssh -o BatchMode=yes -o HostName=1.1.1.1 -o HostKeyAlias=h.org"
    )
    rare = ssh("ssh://git@h.org:2222/r", "1.1.1.1", GIT_SSH_COMMAND="ssh -i key")
    assert rare == "ssh -i key -o HostName=1.1.1.1 -o 'HostKeyAlias=[h.org]:2222'"


def test_a_name_of_the_ssh_settings_must_be_allowed(ssh: Any) -> None:
    with pytest.raises(CodeError, match="could not resolve host lab"):
        ssh("git@lab:r.git")
    allowed = ssh("git@lab:r.git", **{ALLOWED_NETWORKS: "lab"})
    assert allowed == "as the user has set it up"


def git(runners: Any, url: str, **worker: str) -> str:
    code = {"git": {"url": url}, "allowed": []}
    assert runners.run("python", "train.py", code=code, worker=worker) == 0
    return str(runners.site.finish["message"])


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:9/r.git", "ssh://git@localhost/r.git", "git@169.254.169.254:r"],
)
def test_git_is_not_sent_there(runners: Any, url: str) -> None:
    assert "is not a public address" in git(runners, url)


@pytest.fixture
def redirecting(tmp_path: Path) -> Iterator[tuple[int, Path, list[str]]]:
    """A server with https that sends everybody to another path of itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", certificate, "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []
    threading.Thread(target=serve, args=(context, listener, asked), daemon=True).start()
    yield listener.getsockname()[1], certificate, asked
    listener.close()


def serve(context: ssl.SSLContext, listener: socket.socket, asked: list[str]) -> None:
    while True:
        try:
            line = context.wrap_socket(listener.accept()[0], server_side=True)
        except OSError:
            return
        with line:
            asked.append(line.recv(10_000).decode().split()[1])
            line.sendall(
                b"HTTP/1.1 302 Found\r\nLocation: /elsewhere/info/refs\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )


def test_git_follows_no_redirect(
    runners: Any, redirecting: tuple[int, Path, list[str]]
) -> None:
    port, certificate, asked = redirecting
    worker = {ALLOWED_NETWORKS: "localhost", "GIT_SSL_CAINFO": str(certificate)}
    said = git(runners, f"https://localhost:{port}/r.git", **worker)
    assert "git could not read" in said
    assert asked == ["/r.git/info/refs?service=git-upload-pack"]
