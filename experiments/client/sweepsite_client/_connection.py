"""Requests to the site, over one open connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.parse
from typing import Any

CONNECT_TIMEOUT, ANSWER_TIMEOUT = 2.0, 5.0
STALE, RETRY = (401, 403, 404, 409), (408, 425, 429)
JSON, CLOSED = "application/json", (ConnectionError, http.client.HTTPException)


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

    def post(self, path: str, body: bytes) -> dict[str, Any]:
        try:
            if self._connection.sock is not None:
                # Servers close idle connections silently; that is not an outage.
                with contextlib.suppress(*CLOSED):
                    return self._exchange(path, body)
            return self._exchange(path, body)
        except (OSError, http.client.HTTPException) as problem:
            raise Away(f"{type(problem).__name__}: {problem}") from problem

    def _exchange(self, path: str, body: bytes) -> dict[str, Any]:
        headers = {**self._headers, "Content-Type": JSON}
        try:
            if self._connection.sock is None:
                self._connection.connect()  # with its own time limit
                self._connection.sock.settimeout(ANSWER_TIMEOUT)  # type: ignore[attr-defined]
            self._connection.request("POST", self._root + path, body, headers)
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
    if status in STALE:
        raise Ended(str(error.get("message") or "this trial has ended"))
    raise Rejected(f"{error.get('message')} {error.get('fields') or ''}")
