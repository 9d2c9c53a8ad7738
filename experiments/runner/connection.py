"""HTTP towards the site: one address, one token, every failure given a meaning."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from experiments.runner.answers import (
    Refused,
    SiteAway,
    SiteError,
    SiteSilent,
    StaleAttempt,
)
from experiments.runner.proxies import proxy_for, way_to
from experiments.runner.spec import PROTOCOL

TIMEOUT = 10.0
BODY_TIMEOUT = 60.0
STALE = frozenset({401, 403, 404, 409})
RETRY = frozenset({408, 425, 429})
# A claim may name ten thousand files of an earlier attempt.
LONGEST_ANSWER = 16 << 20
BYTES = "application/octet-stream"


class Readable(Protocol):
    """What the bytes of a request's body are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Call(NamedTuple):
    """One request; ``timeout`` in seconds."""

    method: str
    address: str
    body: bytes | Readable | None
    headers: Mapping[str, str]
    timeout: float


class Connection:
    """Calls below one address with one token. Safe to use from several threads.

    Methods raise SiteAway when there is no sensible answer, StaleAttempt on the site's
    own 401, 403, 404 and 409, and Refused for whatever else it will not have.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "X-Sweepsite-Protocol": str(PROTOCOL),
            "User-Agent": f"sweepsite-worker/{PROTOCOL}",
            "Accept": "application/json",
            "Connection": "close",
        }
        self._proxy = proxy_for(self.url)

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
        """GET a file in pieces; here a 404 is a Refused like any other."""
        call = Call("GET", address, None, self._headers, BODY_TIMEOUT)
        with self._answer(call, STALE - {404}) as answer:
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
        call = Call(method, f"{self.url}/{action}", data, headers, timeout)
        with self._answer(call) as answer:
            return _parsed(answer.read(LONGEST_ANSWER))

    @contextmanager
    def _answer(
        self, call: Call, stale: Set[int] = STALE
    ) -> Iterator[http.client.HTTPResponse]:
        """Redirects are errors: following one would send the token somewhere else."""
        connection, target, more = way_to(
            call.address, self._proxy, timeout=call.timeout
        )
        try:
            headers = {**call.headers, **more}
            connection.request(call.method, target, call.body, headers)
            answer = connection.getresponse()
            if not 200 <= answer.status < 300:
                raise _error_from(answer, stale)
            yield answer
        except (OSError, http.client.HTTPException) as problem:
            kind = SiteAway if _has_answered(problem) else SiteSilent
            raise kind(f"{self.url} did not answer: {problem}") from problem
        finally:
            connection.close()


def _has_answered(problem: Exception) -> bool:
    """Whether somebody was there, if only to refuse or to cut the connection."""
    return isinstance(
        problem, ConnectionError | ssl.SSLError | http.client.HTTPException
    )


def _error_from(answer: http.client.HTTPResponse, stale: Set[int]) -> SiteError:
    """Only the site's own error object counts: a proxy's 404 page means "away"."""
    sentence = _own_sentence(answer)
    if 300 <= answer.status < 400:
        target = answer.headers.get("Location", "")
        return SiteAway(
            f"the site answered with a redirect to {target}: SWEEPSITE_URL must be the "
            "final address"
        )
    if sentence is None or answer.status in RETRY:
        return SiteAway(f"status {answer.status} {answer.reason}")
    if answer.status in stale:
        return StaleAttempt(sentence)
    if answer.status < 500 or answer.status == HTTPStatus.INSUFFICIENT_STORAGE:
        return Refused(sentence)
    return SiteAway(sentence)


def _own_sentence(answer: http.client.HTTPResponse) -> str | None:
    try:
        error = json.loads(answer.read(LONGEST_ANSWER))["error"]
        return f"status {answer.status}, {error['code']}: {error['message']}"
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
