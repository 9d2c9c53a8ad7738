"""Feeds of the charts as browsers get them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Sweep
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Client:
    client = Client()
    client.force_login(factories.user("ada"))
    return client


def made_sweep(trials: int = 0, **fields: Any) -> Sweep:
    made = factories.sweep(factories.team(ada="viewer"), **fields)
    for number in range(trials):
        params = {"x": number / trials}
        value = 1 - (params["x"] - 0.3) ** 2
        factories.trial(made, state="completed", value=value, params=params)
    return made


def test_columns_are_packed_and_not_sent_twice(ada: Client) -> None:
    url = reverse("sweep_columns", args=(made_sweep(40).pk,))
    first = ada.get(url, headers={"Accept-Encoding": "gzip"})
    assert first["Content-Encoding"] == "gzip"
    answer = json.loads(gzip.decompress(first.content))
    assert answer["rows"] == 40 and answer["planned"] == 40
    assert json.loads(ada.get(url).content)["columns"] == answer["columns"]
    again = ada.get(url, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304 and not again.content
    poll = ada.get(url, {"since": answer["mark"]})
    assert poll.status_code == 200 and poll.json()["whole"] is False
