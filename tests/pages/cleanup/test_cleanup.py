"""/cleanup/: what takes the space, by team."""

from __future__ import annotations

import pytest

from tests import factories
from tests.pages.clients import client_of, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]


def test_people_of_a_team_see_the_page() -> None:
    factories.team("Physics", vera="viewer")
    assert "<h1>Cleanup</h1>" in page(client_of("vera"), "/cleanup/")
    answer = client_of("vera").get("/cleanup/feed.json")
    assert answer.json()["parts"].keys() == {"jobs"}
