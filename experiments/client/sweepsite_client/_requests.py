"""A person's requests to the site; what it refuses is an exception."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import IO, Any, Union
from urllib.parse import urlencode

from ._login import login, login_file

SECONDS, TRIES, PAUSE, MAX_PAUSE = 60.0, 4, 0.5, 30.0
NOT_MODIFIED, UNAUTHORIZED = 304, 401
AWAY = (408, 425, 429, 500, 502, 503, 504)
JSON_TYPE, BYTES_TYPE = "application/json", "application/octet-stream"
CHUNK = 1 << 20
NO_QUERY: Mapping[str, Any] = {}
Body = Union[Mapping[str, Any], bytes, None]


def new_key() -> str:
    """A key for a request that makes something: the site makes it once."""
    return os.urandom(16).hex()


class RequestError(Exception):
    """What the site refused, or why it cannot be asked.

    `status` is HTTP's (0: no answer), `code` is for programs, and `fields` has the
    sentences about each field of a document.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.fields = status, code, dict(fields or {})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to another address."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Requests:
    """Requests with one token. All raise RequestError."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._polled: dict[str, tuple[str, dict[str, Any]]] = {}

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._json("GET", path, query=query)

    def poll(self, path: str) -> dict[str, Any]:
        """As get(), for what is asked again and again: the site sends what has changed
        since, or only that nothing has."""
        etag, known = self._polled.get(path, ("", {}))
        try:
            with self._open("GET", path, etag=etag) as answer:
                found = self._parsed(self._read(answer))
                etag = answer.headers.get("ETag", "")
        except RequestError as problem:
            if problem.status != NOT_MODIFIED:
                raise
            return dict(known)
        self._polled[path] = (etag, found)
        return dict(found)

    def change(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json("PATCH", path, body=body)

    def post(
        self, path: str, body: Body = None, *, once: str = "", **query: Any
    ) -> dict[str, Any]:
        """`once`: a key by which the site answers a repetition with what it made."""
        return self._json("POST", path, body=body, once=once, query=query)

    def upload(self, archive: bytes, *, team: str = "") -> dict[str, Any]:
        """Keep a zip of code; the same files give the same id."""
        return self._json(
            "POST", "uploads", body=archive, once="again", query={"team": team}
        )

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The rows of a listing."""
        cursor = None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def text(self, path: str, **query: Any) -> str:
        with self._open("GET", path, query=query) as answer:
            return str(self._read(answer).decode("utf-8", "replace"))

    def save(self, path: str, file: str, **query: Any) -> None:
        """The answer as a file, which is complete once it has its name."""
        part = f"{file}.part"
        with self._open("GET", path, query=query) as answer, open(part, "wb") as out:
            while piece := self._read(answer, CHUNK):
                out.write(piece)
        os.replace(part, file)

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        with self._open(method, path, **options) as answer:
            return self._parsed(self._read(answer))

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            found = json.loads(content or b"{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise RequestError(
                f"{self.url} is not a sweepsite: it answers without JSON."
            )
        return found

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        *,
        body: Body = None,
        once: str = "",
        etag: str = "",
        query: Mapping[str, Any] = NO_QUERY,
    ) -> Iterator[http.client.HTTPResponse]:
        words = urlencode([(k, v) for k, v in query.items() if v not in (None, "")])
        address = f"{self.url}/api/v1/{path}" + (f"?{words}" if words else "")
        if isinstance(body, bytes):
            data, kind = body, BYTES_TYPE
        else:
            data, kind = json.dumps(body or {}).encode(), JSON_TYPE
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        if once:
            headers["Idempotency-Key"] = once
        if etag:
            headers["If-None-Match"] = etag
        request = urllib.request.Request(  # noqa: S310
            address,
            data=None if method == "GET" else data,
            headers=headers,
            method=method,
        )
        answer = self._answer(request, again=method == "GET" or bool(once))
        with answer:
            yield answer

    def _read(self, answer: IO[bytes], size: int = -1) -> bytes:
        try:
            return answer.read(size)
        except (OSError, http.client.HTTPException) as problem:
            words = f"{self.url} stopped answering: {problem!r}."
            raise RequestError(words) from problem

    def _answer(self, request: urllib.request.Request, *, again: bool) -> Any:
        """`again`: the request may be sent again, as it changes nothing or is known."""
        pause = PAUSE
        for tries_left in reversed(range(TRIES if again else 1)):
            try:
                return self._opener.open(request, timeout=SECONDS)
            except urllib.error.HTTPError as refusal:
                with refusal:
                    error = _refusal(refusal, self.url)
                wait = float(refusal.headers.get("Retry-After") or 0)
                if not tries_left or refusal.code not in AWAY:
                    raise error from None
                pause = max(pause, min(wait, MAX_PAUSE))
            except (OSError, http.client.HTTPException) as problem:
                if not tries_left:
                    reason = getattr(problem, "reason", problem)
                    words = f"{self.url} does not answer: {reason}."
                    raise RequestError(words) from problem
            time.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")


def _refusal(answer: urllib.error.HTTPError, url: str) -> RequestError:
    """The site's own error; a proxy's page says only its status."""
    if answer.code == UNAUTHORIZED:
        return RequestError(
            f"{url} does not know this token. Make one on {url}/settings/tokens/new/.",
            status=answer.code,
            code="unauthorized",
        )
    with contextlib.suppress(ValueError, KeyError, TypeError, OSError):
        error = json.loads(answer.read())["error"]
        fields = error.get("fields") or {}
        lines = [f"{path}: {text}" for path, said in fields.items() for text in said]
        message = str(error["message"])
        more = [line for line in lines if line.partition(": ")[2] not in message]
        return RequestError(
            "\n".join([message, *more]),
            status=answer.code,
            code=str(error["code"]),
            fields=fields,
        )
    return RequestError(f"{url} answers with status {answer.code}.", status=answer.code)


def requests_of(url: str, token: str) -> Requests:
    """To this site, else to that of the environment or of the login."""
    found_url, found_token = login()
    url, token = url or found_url, token or found_token
    if not url or not token:
        raise RequestError(
            "Name the site: run python -m sweepsite_client login, set SWEEPSITE_URL and"
            " SWEEPSITE_TOKEN, or call connect(url=…, token=…). No login was found in"
            f" {login_file()}."
        )
    if not url.startswith(("http://", "https://")):
        raise RequestError(
            f"The address is {url!r}; it must begin with http:// or https://."
        )
    return Requests(url, token)
