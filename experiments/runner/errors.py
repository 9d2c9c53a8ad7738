"""What can come of a request to the site. Apart from site.py, which is slow to import.

Every failure becomes one of three: StaleAttempt (stop, somebody else has the trial),
Refused (this one request will never do), SiteAway (try again later).
"""

from __future__ import annotations

from dataclasses import dataclass


class SiteError(Exception):
    """A request did not do what it should."""


class SiteAway(SiteError):
    """No sensible answer: connection refused, timed out, 5xx, a proxy's own page."""


class SiteSilent(SiteAway):
    """Not even its host has answered: the network is cut, or that host is off."""


class StaleAttempt(SiteError):
    """The site no longer counts on this attempt: it has ended or was taken over."""


class Refused(SiteError):
    """The site understood the request and will not have it, however often it comes.

    `words` is the site's own sentence, without the status.
    """

    def __init__(self, sentence: str, words: str = "") -> None:
        super().__init__(sentence)
        self.words = words or sentence


@dataclass(frozen=True)
class Stop:
    """The site asks for the end of the trial. `grace` in seconds, None: the spec's."""

    reason: str
    message: str
    grace: float | None = None
