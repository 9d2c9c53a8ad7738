"""Requests to the site, over one open connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.parse
from collections.abc import Mapping
from typing import IO, Any

CONNECT_TIMEOUT, ANSWER_TIMEOUT, FILE_TIMEOUT = 2.0, 5.0, 60.0
GONE, RETRY = (401, 403, 404), (408, 425, 429)
JSON, BYTES = "application/json", "application/octet-stream"
CLOSED = (ConnectionError, http.client.HTTPException)
NO_HEADERS: Mapping[str, str] = {}


class Away(Exception): ...  # no valid answer; send it again


class Rejected(Exception): ...  # the site does not take this request


class Ended(Exception): ...  # for the site, the trial has ended


class SiteConnection:
    """One process's connection. Every call raises Away, Rejected or Ended."""

    def __init__(self, url: str, token: str) -> None:
        address = urllib.parse.urlsplit(url)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(address.netloc, timeout=CONNECT_TIMEOUT)
        self._root = f"{address.path.rstrip('/')}/"
        self.retry_after = 0.0  # seconds that the site asked to wait
        self._headers = {"Authorization": f"Bearer {token}"}

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> dict[str, Any]:
        return self._call("POST", path, body, {"Content-Type": JSON, **headers})

    def put(self, path: str, file: IO[bytes], size: int) -> dict[str, Any]:
        headers = {"Content-Type": BYTES, "Content-Length": str(size)}
        return self._call("PUT", path, file, headers, timeout=FILE_TIMEOUT)

    def close(self) -> None:
        """The next call opens it again."""
        self._connection.close()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes],
        headers: Mapping[str, str],
        timeout: float = 0.0,
    ) -> dict[str, Any]:
        request = (method, self._root + path, body, {**self._headers, **headers})
        timeout = timeout or ANSWER_TIMEOUT
        try:
            if self._connection.sock is not None:
                # Servers close idle connections silently; that is not an outage.
                with contextlib.suppress(*CLOSED):
                    return self._exchange(request, timeout)
                if not isinstance(body, bytes):
                    body.seek(0)
            return self._exchange(request, timeout)
        except (OSError, http.client.HTTPException) as problem:
            raise Away(f"{type(problem).__name__}: {problem}") from problem

    def _exchange(self, request: tuple[Any, ...], timeout: float) -> dict[str, Any]:
        try:
            if self._connection.sock is None:
                self._connection.connect()  # with its own time limit
            self._connection.sock.settimeout(timeout)
            # A server that refuses a file answers before it has read it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.request(*request)
            response = self._connection.getresponse()
            wait = response.getheader("Retry-After") or ""
            self.retry_after = float(wait) if wait.isdigit() else 0.0
            return _answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


def _answer(status: int, text: bytes) -> dict[str, Any]:
    """Only the site's own error object counts: a proxy's error page means "away"."""
    answer = None
    with contextlib.suppress(ValueError):
        answer = json.loads(text.decode("utf-8") or "{}")
    if isinstance(answer, dict) and 200 <= status < 300:
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or status // 100 != 4 or status in RETRY:
        raise Away(f"status {status}")
    if status in GONE or error.get("code") == "stale_attempt":
        raise Ended(str(error.get("message") or "this trial has ended"))
    raise Rejected(_sentences(error))


def _sentences(error: dict[str, Any]) -> str:
    """The message, and what it does not say yet of the fields."""
    message, found = str(error.get("message")), error.get("fields")
    fields = found if isinstance(found, dict) else {}
    sentences = [f"{name}: {text}" for name in fields for text in fields[name]]
    said = [each for each in sentences if each.partition(": ")[2] not in message]
    return " ".join([message, *said])
