"""The health page, its warnings, and /metrics."""

from __future__ import annotations

import pytest
from django.test import Client

from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(factories.user("root", is_superuser=True))
    return client


def test_smoke(root: Client) -> None:
    factories.team("Physics", ada="member")
    text = root.get("/health/").content.decode()
    assert "No scheduler runs" in text
    assert root.get("/health/feed.json").json()["parts"]["worries"]
    token = factories.api_token(factories.user("root"), scope="read")
    answer = root.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    print(answer.content.decode())
    assert answer.status_code == 200
    for url in (
        "/pools/",
        "/pools/default/",
        "/pools/default/start/",
        "/pools/default/edit/",
        "/pools/new/",
    ):
        assert root.get(url).status_code == 200, url
