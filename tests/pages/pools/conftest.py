"""What tests of the pools' pages share: a team, its pool, and an admin's browser."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments.models import Pool, Team
from tests import factories


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="member", vera="viewer")


@pytest.fixture
def pool(team: Team) -> Pool:
    return factories.pool(team)


@pytest.fixture
def root(team: Team) -> Client:
    client = Client()
    client.force_login(factories.user("root", is_superuser=True))
    return client
