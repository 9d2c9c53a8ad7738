"""The samplers in the form: cards, advice, and what each would try first."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments.models import Sweep
from experiments.pages.builder.filling import fresh_form
from experiments.pages.builder.settings import PROPOSED
from experiments.search.samplers import SAMPLERS
from tests.pages.builder.builder_forms import (
    BATCH,
    X,
    cards,
    form,
    in_view,
    page,
    preview,
    send,
)

pytestmark = pytest.mark.django_db
WIDE = {"name": "width", "kind": "choice", "values": "16, 32"}


def sampler_html(answer: dict[str, Any]) -> str:
    return str(answer["cards"]["sampler"])


def test_a_new_form_proposes_a_sampler_and_says_why(ada: Client) -> None:
    assert fresh_form().picks["sampler"] == PROPOSED
    html = page(ada.get("/sweeps/new/"))
    assert f'value="{PROPOSED}" id="field-sampler" checked' in html
    assert set(SAMPLERS) < set(cards(html))
    shown = sampler_html(preview(ada, form([X, BATCH], sampler=PROPOSED)))
    assert in_view(shown) == [PROPOSED, "sobol", "random"]
    assert [name for name, (note, _) in cards(shown).items() if note] == [PROPOSED]
    assert cards(shown)[PROPOSED][1].startswith("Here: Sobol, as 4 trials can only")
    assert "Recommended for 2 parameters and 4 trials" in shown


def test_a_picked_sampler_is_shown_outside_the_fold(ada: Client) -> None:
    fields = form([X, BATCH], sampler="cmaes", max_total_trials="40")
    shown = sampler_html(preview(ada, fields))
    assert in_view(shown) == [PROPOSED, "tpe", "random", "cmaes"]
    assert (
        '<b>More</b> <span class="deck-names">3 others: Bayesian, Sobol, Grid<' in shown
    )
    assert shown.count("checked") == 1
    html = page(send(ada, {**fields, "do": "update"}))
    assert 'value="cmaes" id="field-sampler" checked' in html


def test_without_scripts_only_fields_of_the_picked_sampler_are_shown(
    ada: Client,
) -> None:
    hidden = '<div data-for-sampler="random" hidden>'
    assert hidden in page(send(ada, form([X], sampler="tpe", do="update")))
    assert hidden not in page(send(ada, form([X], sampler="random", do="update")))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_shows_what_it_would_try(ada: Client, sampler: str) -> None:
    rows = [BATCH, WIDE] if sampler == "grid" else [X, BATCH]
    fields = form(rows, sampler=sampler, seed="3", max_total_trials="40")
    answer = preview(ada, fields)
    assert not answer["problems"]
    assert answer["draws"].count("<tr>") == 1 + 5
    assert "The first five trials" in answer["draws"]
    learns = SAMPLERS[sampler].needs_history
    assert ("later ones learn from results" in answer["draws"]) == learns


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_stays_when_the_sampler_changes(ada: Client, sampler: str) -> None:
    rows = [BATCH, WIDE] if sampler == "grid" else [X, BATCH]
    html = page(send(ada, form(rows, sampler=sampler, seed="77", do="update")))
    assert 'name="seed" value="77"' in html
    assert send(ada, form(rows, sampler=sampler, seed="77")).status_code == 302
    settings = Sweep.objects.get().definition["sampling_algorithm"]
    assert (settings["type"], settings["seed"]) == (sampler, 77)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_copy_has_the_same_sampler_and_nothing_left_over(
    ada: Client, sampler: str
) -> None:
    rows = [BATCH, WIDE] if sampler == "grid" else [X, BATCH]
    send(ada, form(rows, sampler=sampler, seed="77"))
    html = page(ada.get(f"/sweeps/new/?clone={Sweep.objects.get().pk}"))
    assert f'value="{sampler}" id="field-sampler" checked' in html
    assert "sampling_algorithm." not in html
    assert "stay as they are in the YAML: sampling_algorithm" not in html


def test_what_does_not_fit_the_space_says_why(ada: Client) -> None:
    shown = sampler_html(preview(ada, form([X, BATCH])))
    why = "A grid needs values to list; x has none."
    assert cards(shown)["grid"] == ("", why)
    assert shown.count("is-unfit") == 1
    assert "Grid does not fit. A grid needs values to list; x has none." in shown
    fits = sampler_html(preview(ada, form([BATCH])))
    assert cards(fits)["grid"][1] == "All 4 combinations fit into 4 trials."
    assert "grid" in in_view(fits) and "is-unfit" not in fits


def test_the_rule_of_random_draws_is_shown_where_it_is_not_the_usual(
    ada: Client,
) -> None:
    assert "<b>sobol</b>" in page(send(ada, form(rule="sobol", do="update")))
    assert "<b>sobol</b>" not in page(send(ada, form(do="update")))


def test_nothing_is_proposed_of_a_space_that_cannot_be_read(ada: Client) -> None:
    wrong = {**X, "low": "2"}
    shown = sampler_html(preview(ada, form([wrong], sampler=PROPOSED)))
    assert cards(shown)[PROPOSED] == ("proposed", "")


def test_a_budget_that_is_no_number_keeps_nothing_from_being_shown(ada: Client) -> None:
    for text in ("", "many", "-3", "0"):
        answer = preview(ada, form(sampler=PROPOSED, max_total_trials=text))
        assert answer["draws"].count("<tr>") == 6
