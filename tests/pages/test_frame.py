"""The bar above every page: whose team it shows, and what it offers."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import factories
from tests.pages.clients import client_of, page

pytestmark = pytest.mark.django_db
OFFER = 'href="/sweeps/new/"'


def offers(client: Client, url: str = "/experiments/") -> bool:
    return OFFER in page(client, url).partition("</header>")[0]


def test_new_sweep_is_offered_to_those_who_may_make_one() -> None:
    factories.team("Physics", ada="member", anna="admin", vera="viewer")
    assert offers(client_of("ada")) and offers(client_of("anna"))
    assert not offers(client_of("vera"))


def test_the_right_is_that_of_the_team_that_the_page_shows() -> None:
    other = factories.experiment(factories.team("Chemistry", ada="viewer"), "acids")
    own = factories.experiment(factories.team("Physics", ada="member"), "digits")
    client = client_of("ada")
    assert offers(client, own.get_absolute_url())
    assert not offers(client, other.get_absolute_url())


def test_without_a_team_no_sweep_is_offered() -> None:
    assert not offers(client_of("stranger"), "/")


def test_the_offer_costs_no_query_of_its_own() -> None:
    factories.team("Physics", ada="member", vera="viewer")
    counts = []
    for name in ("ada", "vera"):
        client = client_of(name)
        with CaptureQueriesContext(connection) as captured:
            client.get("/experiments/")
        counts.append(sum("steers" in query["sql"] for query in captured))
    assert counts == [1, 1]
