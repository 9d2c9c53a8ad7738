"""Errors of requests to the site. Apart from http.py, which is slow to import.

Every failure is one of three: StaleAttempt (stop, another attempt has the trial),
Refused (this request will never work), SiteAway (try again later).
"""

from __future__ import annotations

from dataclasses import dataclass


class SiteError(Exception):
    """A request to the site failed."""


class SiteAway(SiteError):
    """No valid answer: connection refused, timed out, 5xx, a proxy's error page.

    `retry_after`: the seconds that the site asks to wait.
    """

    def __init__(self, sentence: str, *, retry_after: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class SiteSilent(SiteAway):
    """The site's host did not answer: the network is cut, or the host is off."""


class StaleAttempt(SiteError):
    """The attempt has ended for the site, or another one has taken over."""


class Refused(SiteError):
    """The site refuses the request, and would refuse it again.

    `words` is the site's own message, without the status.
    """

    def __init__(self, sentence: str, words: str = "") -> None:
        super().__init__(sentence)
        self.words = words or sentence


@dataclass(frozen=True)
class Stop:
    """The site asks the trial to stop. `grace` in seconds, None: the spec's."""

    reason: str
    message: str
    grace: float | None = None
