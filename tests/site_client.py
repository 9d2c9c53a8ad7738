"""A test client whose requests take the same way as those to the web server."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test import Client
from django.test.client import ClientHandler

from sweepsite.quick_answers import QuickAnswers


class SiteClient(Client):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.handler = _Handler(self.handler.enforce_csrf_checks)


class _Handler(ClientHandler):
    """Django's handler, after the quick answers."""

    def __init__(self, enforce_csrf_checks: bool) -> None:
        super().__init__(enforce_csrf_checks)
        self._quick = QuickAnswers(lambda *_: ())

    def __call__(self, environ: dict[str, Any]) -> Any:
        started: list[Any] = []
        # As Django's own test client: a test's transaction keeps its connection.
        with patch("sweepsite.quick_answers.close_old_connections"):
            content = self._quick(environ, lambda *answer: started.append(answer))
        if not started:
            return super().__call__(environ)
        ((_, headers),) = started
        response = HttpResponse(content, headers=dict(headers))
        response.wsgi_request = WSGIRequest(environ)  # type: ignore[attr-defined]
        return response
