"""Conditions, constraints, weights and targets go through the form unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Sweep
from experiments.pages.builder.filling import form_of
from experiments.pages.builder.preview import NOT_SET
from experiments.pages.importing.space import first_draws, parameter_views
from experiments.search.document.definition import parse_document
from tests import factories
from tests.pages.builder.builder_forms import member, page

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
    assert form_of(definition).definition == definition


def test_parameters_inside_a_choice_are_drawn_on_the_import_page() -> None:
    views = {view.name: view for view in parameter_views(parse_document(DOCUMENT))}
    assert list(views) == ["optimizer", "momentum", "network", "network.layers"]
    assert views["momentum"].condition == "optimizer = sgd"
    assert views["network"].values == "conv, dense"
    inner = views["network.layers"]
    assert inner.condition == "network = conv" and inner.values == "1 to 3"
    assert inner.picture is not None
    # By the constraint network.layers is never 3.
    heights = [bar.height for bar in inner.picture.bars]
    assert len(heights) == 3 and heights[2] == 0 < min(heights[:2])


def test_draws_have_a_column_for_what_is_inside_a_choice() -> None:
    draws = first_draws(parse_document(DOCUMENT))
    assert draws.names == ["optimizer", "momentum", "network", "network.layers"]
    for cells in draws.rows:
        optimizer, momentum, network, layers = (text for text, _ in cells)
        assert (momentum == NOT_SET) == (optimizer == "adam")
        assert network in ("conv", "dense")
        assert layers in ("1", "2") if network == "conv" else layers == NOT_SET


def test_a_copy_edited_as_yaml_is_the_same_sweep(client: Client) -> None:
    browser = member(client)
    sweep = factories.sweep(factories.team("Physics"), document=DOCUMENT)
    url = f"{reverse('sweep_create')}?clone={sweep.pk}&seed=same"
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
