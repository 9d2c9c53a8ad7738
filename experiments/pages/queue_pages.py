"""RQ's own pages under /django-rq/, for staff, as its package has them.

Their templates bring a style and a script of their own, which the site's policy blocks.
These pages, and no others, get one that allows exactly the scripts in the package's
files, by their digests, and inline styles.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import django_rq
from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, include, path
from django_rq.urls import urlpatterns as package_patterns
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]
TEMPLATES = Path(django_rq.__file__).parent / "templates"
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)


def script_digests(folder: Path) -> list[str]:
    """Sources of a policy for the inline scripts in a folder's templates, but for
    those that are filled in when they are drawn."""
    files = sorted(folder.rglob("*.html"))
    scripts = {s for file in files for s in INLINE_SCRIPT.findall(file.read_text())}
    plain = sorted(s for s in scripts if "{{" not in s and "{%" not in s)
    hashed = (hashlib.sha256(script.encode()).digest() for script in plain)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashed]


POLICY = {
    "script-src": [SELF, *script_digests(TEMPLATES)],
    "style-src": [SELF, UNSAFE_INLINE],
}


def kept_plain(view: View) -> View:
    """The view, with a sentence instead of an error when the queue does not answer."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except RedisError as error:
            logger.warning("a queue page could not be drawn: %s", error)
            return render(request, "experiments/queue_down.html", status=503)

    return answered


def own_policy(patterns: Iterable[URLPattern]) -> list[URLPattern]:
    allow = csp_update(POLICY)
    return [
        URLPattern(
            pattern.pattern,
            allow(kept_plain(pattern.callback)),
            pattern.default_args,
            pattern.name,
        )
        for pattern in patterns
    ]


urlpatterns = [
    path("django-rq/", include((own_policy(package_patterns), "django_rq"))),
]
