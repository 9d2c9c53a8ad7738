"""Calls of the API as programs make them: a token in the header, JSON in the body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from experiments.api import rate_limits
from experiments.models import Team
from tests import factories


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """Every test here has the database."""


@pytest.fixture(autouse=True)
def _data_folder(settings: Any, tmp_path: Path) -> None:
    """Rows are rolled back and their numbers come again; files must not."""
    settings.HOME = tmp_path


@pytest.fixture(autouse=True)
def _no_requests_yet() -> None:
    rate_limits.requests.clear()
    rate_limits.failures.clear()


class Api:
    """The API at /api/v1 as the holder of one token sees it, or somebody without."""

    def __init__(self, secret: str | None, *, root: str = "/api/v1") -> None:
        self._root = root
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        options.setdefault("content_type", "application/json")
        headers = {**self._headers, **options.pop("headers", {})}
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
        return Client().generic(
            method, f"{self._root}{path}", body or "", headers=headers, **options
        )

    def get(self, path: str, **options: Any) -> Any:
        return self("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self("POST", path, body, **options)

    def patch(self, path: str, body: Any) -> Any:
        return self("PATCH", path, body)


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="member", vera="viewer")


@pytest.fixture
def api(team: Team) -> Api:
    """With Ada's write token; she is a member of Physics."""
    return Api(factories.api_token(factories.user("ada")))
