"""One POST to an address that a person has entered.

It goes to an address that was checked, never to a redirect's, and ends after a few
seconds, whatever the other side does.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from threading import Event, Thread
from urllib.parse import SplitResult, urlsplit

from experiments.runner.outbound import HostRefused, checked_addresses
from experiments.search.wording import counted

# Hosts and networks that are not public and may get webhooks.
NETWORKS = "SWEEPSITE_WEBHOOK_NETWORKS"
MAX_SECONDS = 10
CUT_EVERY = 0.2
MAX_ANSWER_BYTES = 500
MAX_URL = 1_000


class WebhookError(Exception):
    """Why it did not arrive. ``is_final``: a later try would not either."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


def checked_host(url: str) -> str:
    """The host of an address to which webhooks may go. Raises WebhookError."""
    parts = _checked(url)
    host = parts.hostname or ""
    _addresses(host, parts.port or 443)
    return host


def _checked(url: str) -> SplitResult:
    """The parts of an address of the right form."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise WebhookError(f"This is not an address: {error}.") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise WebhookError("Use an address that begins with https:// and has a host.")
    if parts.username or parts.password:
        raise WebhookError("An address with a user name or password is not allowed.")
    if not url.strip().isascii() or len(url) > MAX_URL or " " in url.strip():
        raise WebhookError(
            f"Use an address of at most {MAX_URL:,} ASCII characters without spaces."
        )
    is_plain = parts.scheme == "http"
    if is_plain and not _is_inside(parts.hostname):
        raise WebhookError(
            "Use https://. Only hosts that an administrator lists in"
            f" {NETWORKS} may get webhooks by http://."
        )
    return parts


def _is_inside(host: str) -> bool:
    """Whether the administrator's list has it: its name, or its network."""
    listed = os.environ.get(NETWORKS, "").replace(",", " ").split()
    if host.lower() in map(str.lower, listed):
        return True
    try:
        checked_addresses(host, 80, {})
    except HostRefused:
        return bool(_addresses(host, 80))
    return False


def _addresses(host: str, port: int) -> str:
    """The address to connect to; empty: there is none. Raises WebhookError."""
    try:
        found = checked_addresses(host, port, os.environ, setting=NETWORKS)
    except HostRefused as refused:
        raise WebhookError(f"{refused}.", is_final=True) from refused
    return found[0] if found else ""


class _Connection(http.client.HTTPConnection):
    """To one address, which was checked, in the name of the host."""

    def __init__(self, parts: SplitResult, address: str) -> None:
        self._tls = parts.scheme == "https"
        port = parts.port or (443 if self._tls else 80)
        super().__init__(parts.hostname or "", port, timeout=MAX_SECONDS)
        self.default_port = 443 if self._tls else 80
        self._address = address
        self.is_late = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._tls:
            trusted = ssl.create_default_context()
            # `cut` must find the new socket while both sides agree on the encryption.
            self.sock = trusted.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def cut_when_late(self, ended: Event) -> None:
        """A socket's timeout is for each step; together they must not take longer
        either. Again and again: it may just connect."""
        if ended.wait(MAX_SECONDS):
            return
        self.is_late = True
        while not ended.wait(CUT_EVERY):
            with suppress(OSError):
                if self.sock is not None:
                    self.sock.shutdown(socket.SHUT_RDWR)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """Send it; what the host answered, in words. Raises WebhookError."""
    parts = _checked(url)
    host = parts.hostname or ""
    address = _addresses(host, parts.port or (443 if parts.scheme == "https" else 80))
    if not address:
        raise WebhookError(f"{host} was not found: its name has no address.")
    connection = _Connection(parts, address)
    ended = Event()
    Thread(target=connection.cut_when_late, args=(ended,), daemon=True).start()
    try:
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        status, text = answer.status, answer.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise WebhookError(_why(host, error, late=connection.is_late)) from error
    finally:
        ended.set()
        connection.close()
    return _answered(host, status, " ".join(text.decode("utf-8", "replace").split()))


def _why(host: str, error: Exception, *, late: bool) -> str:
    if late or isinstance(error, TimeoutError):
        limit = counted(MAX_SECONDS, "second")
        return f"{host} did not answer within {limit}."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{host} has no valid certificate: {error.verify_message}."
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refused the connection."
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{host} could not be reached: {what}."


def _answered(host: str, status: int, text: str) -> str:
    said = f"{host} answered {status}{': ' + text if text else ''}"
    if 200 <= status < 300:
        return said
    if 300 <= status < 400:
        raise WebhookError(
            f"{host} answered {status}, a redirect, which is not followed. Enter the"
            " final address.",
            is_final=True,
        )
    raise WebhookError(said, is_final=400 <= status < 500 and status not in (408, 429))
