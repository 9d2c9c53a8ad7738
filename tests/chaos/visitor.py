"""An administrator with a browser: what pages say while something fails."""

from __future__ import annotations

import html
import http.client
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass

from tests.chaos.installation import PASSWORD, Installation

MARKUP = re.compile(r"<[^>]*>|\s+")


@dataclass(frozen=True)
class Answer:
    """``text``: what stands there, without markup. Status 0: there was no answer."""

    status: int
    text: str
    says_when: bool


class Visitor:
    """Logged in, and noting answers that no user should get."""

    def __init__(self, site: Installation) -> None:
        self._site = site
        self._root = f"http://127.0.0.1:{site.web_ports[0]}"
        self._jar = http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._jar)
        ).open
        self.seen: Counter[int] = Counter()
        self.problems: list[str] = []

    def log_in(self) -> Answer:
        """Which writes to the database."""
        self.get("/login/")
        token = next((c.value for c in self._jar if "csrf" in c.name), "") or ""
        fields = {"username": "admin", "password": PASSWORD}
        form = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token})
        return self._ask("/login/", form.encode())

    def log_in_elsewhere(self) -> Answer:
        """The same in another browser."""
        other = Visitor(self._site)
        answer = other.log_in()
        self.seen += other.seen
        self.problems += other.problems
        return answer

    def get(self, path: str) -> Answer:
        return self._ask(path)

    def _ask(self, path: str, body: bytes | None = None) -> Answer:
        answer = self._answer(path, body)
        self.seen[answer.status] += 1
        if answer.status == 503 and not (answer.says_when or path == "/healthz"):
            self.problems.append(f"{path}: 503 without Retry-After")
        if answer.status not in (200, 503):
            self.problems.append(f"{path}: {answer.status} {answer.text[:200]}")
        return answer

    def _answer(self, path: str, body: bytes | None) -> Answer:
        request = urllib.request.Request(f"{self._root}{path}", data=body)
        try:
            with self._open(request, timeout=40) as found:
                return _read(found.status, found.headers, found.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return _read(refusal.code, refusal.headers, refusal.read())
        except (OSError, http.client.HTTPException) as problem:
            return Answer(0, str(problem), says_when=False)


def _read(status: int, headers: http.client.HTTPMessage, body: bytes) -> Answer:
    text = html.unescape(MARKUP.sub(" ", body.decode(errors="replace")))
    return Answer(status, " ".join(text.split()), "Retry-After" in headers)
