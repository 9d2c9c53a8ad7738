"""RQ's own pages under /django-rq/, for staff.

Their templates have inline scripts and styles, which the site's content security policy
blocks. These pages alone get a policy that allows the package's scripts by their
digests, and inline styles.
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
    """Policy sources for the inline scripts in a folder's templates, without those that
    contain template tags."""
    files = sorted(folder.rglob("*.html"))
    scripts = {s for file in files for s in INLINE_SCRIPT.findall(file.read_text())}
    plain = sorted(s for s in scripts if "{{" not in s and "{%" not in s)
    hashed = (hashlib.sha256(script.encode()).digest() for script in plain)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashed]


POLICY = {
    "script-src": [SELF, *script_digests(TEMPLATES)],
    "style-src": [SELF, UNSAFE_INLINE],
}


def with_queue_errors(view: View) -> View:
    """The view, with a page instead of an error while the queue does not answer."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except RedisError as error:
            logger.warning("could not show a queue page: %s", error)
            return render(request, "experiments/queue_down.html", status=503)

    return answered


def own_policy(patterns: Iterable[URLPattern]) -> list[URLPattern]:
    allow = csp_update(POLICY)
    return [
        URLPattern(
            pattern.pattern,
            allow(with_queue_errors(pattern.callback)),
            pattern.default_args,
            pattern.name,
        )
        for pattern in patterns
    ]


urlpatterns = [
    path("django-rq/", include((own_policy(package_patterns), "django_rq"))),
]
