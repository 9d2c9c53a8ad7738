"""The bar above every page: whose team it shows, and what it offers."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import factories

pytestmark = pytest.mark.django_db
OFFER = 'href="/sweeps/new/"'


def offers(client: Client, url: str = "/experiments/") -> bool:
    response = client.get(url)
    assert response.status_code == 200
    head = response.content.decode().partition("</header>")[0]
    return OFFER in head


def logged_in(name: str) -> Client:
    client = Client()
    client.force_login(factories.user(name))
    return client


def test_new_sweep_is_offered_to_those_who_may_make_one() -> None:
    factories.team("Physics", ada="member", anna="admin", vera="viewer")
    assert offers(logged_in("ada")) and offers(logged_in("anna"))
    assert not offers(logged_in("vera"))


def test_the_right_is_that_of_the_team_that_the_page_shows() -> None:
    other = factories.experiment(factories.team("Chemistry", ada="viewer"), "acids")
    own = factories.experiment(factories.team("Physics", ada="member"), "digits")
    client = logged_in("ada")
    assert offers(client, own.get_absolute_url())
    assert not offers(client, other.get_absolute_url())


def test_without_a_team_no_sweep_is_offered() -> None:
    assert not offers(logged_in("stranger"), "/")


def test_the_offer_costs_no_query_of_its_own() -> None:
    factories.team("Physics", ada="member", vera="viewer")
    counts = []
    for name in ("ada", "vera"):
        client = logged_in(name)
        with CaptureQueriesContext(connection) as captured:
            client.get("/experiments/")
        counts.append(sum("steers" in query["sql"] for query in captured))
    assert counts == [1, 1]
