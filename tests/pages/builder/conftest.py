"""What tests of the builder share: the form's team, and its member's browser."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments.models import Team
from tests.pages.builder.builder_forms import member, physics_team


@pytest.fixture
def physics() -> Team:
    return physics_team()


@pytest.fixture
def ada(client: Client) -> Client:
    return member(client)
