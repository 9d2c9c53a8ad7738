"""RQ's own pages under /django-rq/, for administrators; what they do there is logged.

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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import django_rq
from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, include, path
from django_rq.urls import urlpatterns as package_patterns
from redis.exceptions import RedisError, ResponseError
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from experiments.models import Event
from experiments.pages.frame import View, administrator

logger = logging.getLogger(__name__)

TEMPLATES = Path(django_rq.__file__).parent / "templates"
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)


MAX_LOGGED = 100
# These only ask before an action.
QUESTIONS = {"confirm_action"}


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


# What the package raises for jobs, workers and queues that do not exist any more.
GONE = (
    *(NoSuchJobError, InvalidJobOperation, ResponseError, LookupError, ValueError),
    ImproperlyConfigured,
)


def guarded(view: View, name: str) -> View:
    """The view for administrators, with an event for each action, and pages instead of
    the package's errors."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = administrator(request)
        try:
            response = view(request, *args, **kwargs)
        except GONE as error:
            raise Http404(f"RQ does not have that: {error}") from error
        except RedisError as error:
            logger.warning("could not show a queue page: %s", error)
            return render(request, "experiments/queue_down.html", status=503)
        if request.method == "POST" and name not in QUESTIONS:
            jobs = [str(kwargs["job_id"])] if "job_id" in kwargs else _chosen(request)
            data = {"path": request.path, "jobs": jobs}
            Event.log("queue changed", name.replace("_", " "), actor=user, data=data)
        return response

    return answered


def _chosen(request: HttpRequest) -> list[str]:
    return request.POST.getlist("job_ids")[:MAX_LOGGED]


def own_policy(patterns: Iterable[URLPattern]) -> list[URLPattern]:
    allow = csp_update(POLICY)
    return [
        URLPattern(
            pattern.pattern,
            allow(guarded(pattern.callback, pattern.name or "")),
            pattern.default_args,
            pattern.name,
        )
        for pattern in patterns
    ]


urlpatterns = [
    path("django-rq/", include((own_policy(package_patterns), "django_rq"))),
]
