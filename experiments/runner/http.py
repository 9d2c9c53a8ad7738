"""HTTP requests to the site: one address, one token, three kinds of errors."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from email.message import Message
from http import HTTPStatus
from typing import IO, Any, Protocol

from experiments.runner.errors import (
    Refused,
    SiteAway,
    SiteError,
    SiteSilent,
    StaleAttempt,
)
from experiments.runner.spec import PROTOCOL

TIMEOUT = 10.0
BODY_TIMEOUT = 60.0
STALE = frozenset({401, 403, 404, 409})
RETRY = frozenset({408, 425, 429})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_RETRY_AFTER = 60.0
# A claim may name ten thousand files of an earlier attempt.
MAX_ANSWER_LENGTH = 16 << 20
BYTES = "application/octet-stream"


class Readable(Protocol):
    """A request's body."""

    def read(self, size: int = -1, /) -> bytes: ...


class Connection:
    """Calls below one address with one token. Safe to use from several threads.

    Methods raise SiteAway without a valid answer, StaleAttempt on the site's own 401,
    403, 404 and 409, and Refused on its other 4xx answers.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "X-Sweepsite-Protocol": str(PROTOCOL),
            "User-Agent": f"sweepsite-worker/{PROTOCOL}",
            "Accept": "application/json",
        }
        self._opener = urllib.request.build_opener(
            NoRedirect, *_proxies(urllib.parse.urlsplit(self.url).hostname)
        )

    def send_json(self, action: str, body: Mapping[str, object]) -> dict[str, Any]:
        """POST an object; `action` is the path below the connection's address."""
        data = json.dumps(body, allow_nan=False).encode()
        return self._send("POST", action, data, "application/json", TIMEOUT)

    def send_bytes(self, action: str, data: bytes) -> dict[str, Any]:
        """POST raw bytes."""
        return self._send("POST", action, data, BYTES, TIMEOUT)

    def put_file(self, action: str, file: Readable, *, size: int) -> dict[str, Any]:
        """PUT the next `size` bytes of a file without reading them into memory."""
        return self._send("PUT", action, file, BYTES, BODY_TIMEOUT, size=size)

    def delete(self, action: str) -> dict[str, Any]:
        """DELETE what the path names."""
        return self._send("DELETE", action, b"", BYTES, TIMEOUT)

    def download(self, address: str) -> Iterator[bytes]:
        """GET a file in pieces; here a 404 raises Refused."""
        request = urllib.request.Request(address, headers=self._headers)  # noqa: S310 - settings allow http(s) only
        with self._answer(request, BODY_TIMEOUT, STALE - {404}) as answer:
            while piece := answer.read(1 << 18):
                yield piece
            if answer.length:
                raise SiteAway(f"{address} ended {answer.length} bytes too early")

    def _send(
        self,
        method: str,
        action: str,
        data: bytes | Readable,
        content_type: str,
        timeout: float,
        *,
        size: int | None = None,
    ) -> dict[str, Any]:
        headers = self._headers | {"Content-Type": content_type}
        if size is not None:
            headers["Content-Length"] = str(size)
        request = urllib.request.Request(  # noqa: S310 - settings allow http(s) only
            f"{self.url}/{action}", data=data, headers=headers, method=method
        )
        with self._answer(request, timeout) as answer:
            return _parsed(answer.read(MAX_ANSWER_LENGTH))

    @contextmanager
    def _answer(
        self,
        request: urllib.request.Request,
        timeout: float,
        stale: Set[int] = STALE,
    ) -> Iterator[http.client.HTTPResponse]:
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                yield answer
        except urllib.error.HTTPError as problem:
            with problem:
                raise _error_from(problem, stale) from problem
        except (OSError, http.client.HTTPException) as problem:
            kind = SiteAway if _has_answered(problem) else SiteSilent
            raise kind(f"{self.url} did not answer: {problem}") from problem


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are errors: following one would send the token to another address."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        return None


def _has_answered(problem: Exception) -> bool:
    """Whether the host was reached, even if it refused or cut the connection."""
    if isinstance(problem, urllib.error.URLError):
        reason = problem.reason
        return isinstance(reason, ConnectionError | ssl.SSLError)
    return isinstance(problem, ConnectionError | http.client.HTTPException)


def _proxies(host: str | None) -> list[urllib.request.BaseHandler]:
    """The environment's proxies are used, but never for this machine itself."""
    return [urllib.request.ProxyHandler({})] if host in LOOPBACK else []


def _error_from(problem: urllib.error.HTTPError, stale: Set[int]) -> SiteError:
    """Only the site's own error object counts: a proxy's error page means "away"."""
    error = _own_error(problem)
    if 300 <= problem.code < 400:
        target = problem.headers.get("Location", "")
        return SiteAway(
            f"the site answered with a redirect to {target}: SWEEPSITE_URL must be the "
            "final address"
        )
    if error is None or problem.code in RETRY:
        wait = problem.headers.get("Retry-After", "")
        return SiteAway(
            f"status {problem.code} {problem.reason}",
            retry_after=min(float(wait), MAX_RETRY_AFTER) if wait.isdigit() else 0.0,
        )
    code, words = error
    sentence = f"status {problem.code}, {code}: {words}"
    if problem.code in stale:
        return StaleAttempt(sentence)
    if problem.code < 500 or problem.code == HTTPStatus.INSUFFICIENT_STORAGE:
        return Refused(sentence, words)
    return SiteAway(sentence)


def _own_error(problem: urllib.error.HTTPError) -> tuple[str, str] | None:
    """The code and message of the site's error object."""
    try:
        error = json.loads(problem.read(MAX_ANSWER_LENGTH))["error"]
        return str(error["code"]), str(error["message"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body or b"{}")
    except ValueError as problem:
        raise SiteAway(f"the site's answer is not JSON: {body[:80]!r}") from problem
    if not isinstance(answer, dict):
        raise SiteAway(f"the site's answer is not an object: {body[:80]!r}")
    return answer
