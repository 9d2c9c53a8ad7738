"""Conditions, constraints, weights and targets go through the form unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Sweep
from experiments.pages.builder.check import check_entries
from experiments.pages.builder.fill import entries_of
from experiments.search.definition import parse_document
from tests import factories
from tests.pages.builder_forms import member, page

pytestmark = pytest.mark.django_db
DOCUMENT: dict[str, Any] = factories.definition_document(
    trial={"command": "python train.py"},
    search_space={
        "optimizer": {
            "type": "choice",
            "values": ["sgd", "adam"],
            "probabilities": [0.7, 0.3],
        },
        "momentum": {
            "type": "choice",
            "values": [0.5, 0.9],
            "when": {"optimizer": ["sgd"]},
        },
        "network": {
            "type": "choice",
            "values": [
                {"kind": "conv", "layers": {"type": "int", "low": 1, "high": 3}},
                {"kind": "dense"},
            ],
        },
    },
    constraints=["network.layers <= 2"],
    objective={"primary_metric": "accuracy", "goal": "maximize", "target": 0.99},
)


def test_the_form_holds_the_whole_document() -> None:
    definition = parse_document(DOCUMENT)
    check = check_entries(entries_of(definition))
    assert check.definition == definition


def test_a_copy_edited_as_yaml_is_the_same_sweep(client: Client) -> None:
    browser = member(client)
    sweep = factories.sweep(factories.team("Physics"), document=DOCUMENT)
    url = f"{reverse('sweep_create')}?clone={sweep.pk}"
    yaml = browser.get(url).context["preview"].yaml
    sent = {"team": "physics", "form_token": "token-of-this-form", "do": "save"}
    response = browser.post(url, {**sent, "yaml_mode": "1", "yaml": yaml})
    assert response.status_code == 302
    copy = Sweep.objects.exclude(pk=sweep.pk).get()
    assert copy.definition == sweep.definition
    assert list(copy.definition["search_space"]) == list(DOCUMENT["search_space"])


def test_what_is_not_set_is_shown_as_that(client: Client) -> None:
    browser = member(client)
    sweep = factories.sweep(factories.team("Physics"), document=DOCUMENT)
    params = {"optimizer": "adam", "network": {"kind": "dense"}}
    trial = factories.trial(sweep, state="completed", value=0.5, params=params)
    for url in (
        trial.get_absolute_url(),
        reverse("sweep_trials", args=(sweep.pk,)),
        f"{reverse('compare')}?trials={trial.pk}",
    ):
        response = browser.get(url)
        assert response.status_code == 200
        if "compare" not in url:
            assert "not set" in page(response)
    settings = page(browser.get(reverse("sweep_settings", args=(sweep.pk,))))
    assert "network.layers &lt;= 2" in settings and "when:" in settings
