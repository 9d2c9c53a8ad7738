"""The Charts tab and its feed of learning curves."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Sweep
from experiments.pages.sweep.curve_data import BEST
from experiments.sweeps.synthetic import Filling, fill_sweep
from tests import factories
from tests.pages.clients import client_of, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Client:
    return client_of("ada")


def made_sweep(trials: int, **filling: int) -> Sweep:
    team = factories.team(ada="member")
    return fill_sweep(team, Filling(trials=trials, points=8, **filling))


def test_the_page_has_a_card_for_each_chart_and_keeps_the_selection(
    ada: Client,
) -> None:
    sweep = made_sweep(12)
    url = reverse("sweep_charts", args=(sweep.pk,))
    html = ada.get(url, {"q": "layers < 3 and <b>"}).content.decode()
    kinds = "parallel importance slices contour edf duration curves ends timeline"
    for kind in kinds.split():
        assert f'data-linked="{kind}"' in html
    assert 'value="layers &lt; 3 and &lt;b&gt;"' in html
    assert f"/sweeps/{sweep.pk}/trials/?q=layers" in html
    # A script, what it imports, and what that imports.
    for name in ("pages/charts", "charts/linked_page", "charts/density"):
        assert html.count(f'<link rel="modulepreload" href="/static/js/{name}.') == 1
    picked = ada.get(url, {"q": "completed"}).content.decode()
    assert 'data-expression="completed" aria-current="true"' in picked
    assert 'data-expression="" aria-current' not in picked


def test_each_chart_is_a_table_without_scripts(ada: Client) -> None:
    made = fill_sweep(factories.team(ada="viewer"), Filling(trials=40, points=10))
    url = f"{made.get_absolute_url()}charts/"
    assert "?tables=1&amp;q=completed" in page(ada, f"{url}?q=completed")
    html = page(ada, f"{url}?tables=1&metric=loss.min")
    assert html.count('<table class="data"><caption>') == 9
    for head in ("loss.min", "told apart from chance", "share of trials up to it"):
        assert f'<th scope="col">{head}</th>' in html
    few = factories.sweep(factories.team())
    factories.trial(few, state="running")
    html = page(ada, f"{few.get_absolute_url()}charts/?tables=1")
    assert "Needs 10 trials with a value; none have one." in html


def test_tables_are_of_the_trials_that_match(ada: Client) -> None:
    made = made_sweep(40)
    url = f"{made.get_absolute_url()}charts/?tables=1"
    ranked = made.trials.ranked(made.goal)
    first, *_, last = (trial.number for trial in ranked)
    html = page(ada, f"{url}&q=number+%3D+{last}")
    assert f"<td>{last}</td>" in html and f"<td>{first}</td>" not in html
    assert "Needs 10 trials with a value" in html
    assert 'href="?tables=1&amp;q=completed"' in html
    assert page(ada, f"{url}&q=not+completed+and+completed").count("<td>") == 0
    wrong = page(ada, f"{url}&q=nope+%3C+1")
    assert "nope" in wrong and 'role="alert"' in wrong and "<table" not in wrong


def test_a_sweep_without_trials_says_what_the_page_will_show(ada: Client) -> None:
    sweep = factories.sweep(factories.team(ada="member"), state="draft")
    html = ada.get(reverse("sweep_charts", args=(sweep.pk,))).content.decode()
    assert "No trials yet" in html
    assert "data-linked" not in html


def test_queries_do_not_grow_with_trials(
    ada: Client, django_assert_max_num_queries: Any
) -> None:
    counts = []
    for trials in (5, 60):
        sweep = made_sweep(trials)
        url = reverse("sweep_curves", args=(sweep.pk,))
        ada.get(url)
        with django_assert_max_num_queries(25) as found:
            ada.get(url)
        counts.append(len(found))
    assert counts[0] == counts[1]


def test_curves_are_those_of_the_best_of_the_running_and_a_fair_sample(
    ada: Client,
) -> None:
    sweep = made_sweep(420, running=5)
    url = reverse("sweep_curves", args=(sweep.pk,))
    answer = ada.get(url).json()
    numbers = answer["numbers"]
    assert len(numbers) == 300 == len(answer["points"])
    assert numbers == ada.get(url).json()["numbers"]
    best = sweep.trials.ranked(sweep.goal).values_list("number", flat=True)[:BEST]
    assert set(best) <= set(numbers)
    reported = sweep.trials.filter(state="running", reports__gt=0)
    assert set(reported.values_list("number", flat=True)) <= set(numbers)
    assert "Curves of 300 of" in answer["sentence"]
    assert len(answer["quantiles"]["values"]) == len(answer["quantiles"]["reports"])
    report, value, step, seconds = answer["points"][numbers.index(best[0])][0]
    assert report == 1 and value is not None
    assert step is not None and seconds is not None


def test_asked_for_curves_come_alone_and_nonsense_is_left_out(ada: Client) -> None:
    sweep = made_sweep(8)
    url = reverse("sweep_curves", args=(sweep.pk,))
    answer = ada.get(url, {"numbers": "3,5,99,x,-1"}).json()
    assert answer["numbers"] == [3, 5]
    assert "quantiles" not in answer
    for nonsense in ("x", "³", "9" * 40, ",,"):
        assert ada.get(url, {"numbers": nonsense}).json()["ready"]
