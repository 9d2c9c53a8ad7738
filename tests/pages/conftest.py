"""What tests of pages share: somebody who is logged in, and a data folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests import factories


@pytest.fixture
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def own_data_folder(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path


@pytest.fixture
def ada(client: Client) -> Client:
    factories.team("Physics", ada="member", vera="viewer")
    client.force_login(factories.user("ada"))
    return client
