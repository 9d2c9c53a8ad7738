"""Sweeps side by side: which is the best, how soon, at what cost, and who may look."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from experiments.models import Sweep
from experiments.pages.compare.sweeps import SweepsComparison, sweep_sections
from experiments.sweeps.synthetic import Filling, fill_sweep
from tests import factories
from tests.pages.clients import count_queries, model, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]
HOSTILE = "<script>alert(1)</script>"


def made_sweep(*values: float, **changes: Any) -> Sweep:
    """Each value is one trial of ten seconds."""
    document = factories.definition_document(**changes)
    sweep = factories.sweep(factories.team(), document=document)
    for value in values:
        factories.trial(sweep, state="completed", value=value, elapsed=10.0)
    return sweep


def url(*sweeps: Sweep, more: str = "") -> str:
    ids = ",".join(str(sweep.pk) for sweep in sweeps)
    return f"/compare/sweeps/?sweeps={ids}{more}"


def compared(*sweeps: Sweep) -> SweepsComparison:
    return SweepsComparison(sweeps, timezone.now())


def rows_of(*sweeps: Sweep) -> dict[str, list[str]]:
    parts = sweep_sections(compared(*sweeps))
    return {
        row.name: [c.text for c in row.cells] for part in parts for row in part.rows
    }


def test_the_best_sweep_is_first_and_how_soon_it_was_ahead_is_said() -> None:
    slow, quick = made_sweep(0.25, 0.5, 0.75), made_sweep(0.8, 0.875)
    comparison = compared(slow, quick)
    assert comparison.reference.sweep == quick
    assert comparison.sentence == (
        "digits-2 leads digits-1 by 0.125 accuracy. It reached 0.7500 after 1 trial and"
        " 10 s of training, digits-1 after 3 and 30 s."
    )


def test_lower_is_better_where_the_goal_says_so() -> None:
    goal = {"primary_metric": "loss", "goal": "minimize"}
    low, high = made_sweep(0.5, objective=goal), made_sweep(0.75, objective=goal)
    assert compared(high, low).reference.sweep == low


def test_rows_have_results_costs_and_what_differs() -> None:
    space = {"x": {"type": "uniform", "min_value": 0.0, "max_value": 0.5}}
    one, other = made_sweep(0.5, 0.75), made_sweep(0.25, search_space=space)
    rows = rows_of(one, other)
    assert rows["accuracy, best"] == ["0.7500", "0.2500"]
    assert rows["accuracy, median"] == ["0.6250", "0.2500"]
    assert rows["trials that ended"] == ["2", "1"]
    assert rows["training time"] == ["20 s", "10 s"]
    assert rows["trials until 0.2500"] == ["1", "1"]
    assert rows["sampler"] == ["random sampler", "random sampler"]


def test_importance_is_beside_each_other_with_enough_trials() -> None:
    team = factories.team()
    one = fill_sweep(team, Filling(trials=60, parameters=3, points=2))
    other = made_sweep(0.25)
    parts = {part.title: part for part in sweep_sections(compared(one, other))}
    rows = {row.name: row.cells for row in parts["Importance"].rows}
    assert set(rows) == {"learning_rate", "batch_size", "optimizer"}
    assert " %" in rows["learning_rate"][0].text and rows["learning_rate"][1].unset
    alone = [part.title for part in sweep_sections(compared(other))]
    assert "Importance" not in alone


def test_sweeps_of_other_objectives_have_no_best_and_no_charts(ada: Client) -> None:
    loss = {"primary_metric": "loss", "goal": "minimize"}
    html = page(ada, url(made_sweep(0.5), made_sweep(0.1, objective=loss)))
    assert "different objectives" in html and "history-model" not in html
    assert "minimize loss" in html


def test_the_page_draws_best_so_far_and_the_distribution(ada: Client) -> None:
    one, other = made_sweep(0.5, 0.75), made_sweep(0.25)
    html = page(ada, url(other, one))
    history = model(html, "history-model")["series"]
    assert [series["name"] for series in history] == ["digits-1", "digits-2"]
    assert history[0]["points"] == [
        [1, 0.5, 10],
        [2, 0.5, 20],
        [2, 0.75, 20],
        [2, 0.75, 20],
    ]
    distribution = model(html, "distribution-model")["series"]
    assert distribution[0]["points"] == [[0.5, 0.5], [0.75, 1.0]]


def test_only_differences_are_shown_first(ada: Client) -> None:
    one, other = made_sweep(0.5), made_sweep(0.25)
    assert "random sampler" not in page(ada, url(one, other))
    assert "random sampler" in page(ada, url(one, other, more="&all=1"))


def test_a_sweep_is_added_and_taken_out(ada: Client) -> None:
    one, other = made_sweep(0.5), made_sweep(0.25)
    alone = page(ada, url(one))
    assert f'<option value="{other.pk}">digits-2' in alone
    added = ada.get(url(one, more=f"&add={other.pk}"))
    assert added["Location"] == url(one, other)
    assert f'href="{url(one)}"' in page(ada, url(one, other))


def test_a_sweep_without_trials_is_compared_too(ada: Client) -> None:
    html = page(ada, url(made_sweep(), made_sweep(0.5)))
    assert "Only digits-2 has a value of accuracy." in html
    assert "None of these sweeps has a value" in page(ada, url(made_sweep()))


def test_what_nobody_may_see_is_not_found(client: Client) -> None:
    sweep = made_sweep(0.5)
    factories.team("Others", otto="admin")
    client.force_login(factories.user("otto"))
    assert client.get(url(sweep)).status_code == 404
    assert "No sweeps to compare" in page(client, "/compare/sweeps/")
    assert client.get("/compare/sweeps/?sweeps=x").status_code == 404


def test_names_are_escaped(ada: Client) -> None:
    sweep = made_sweep(0.5, trial={"command": f"python a.py '{HOSTILE}'"})
    Sweep.objects.filter(pk=sweep.pk).update(name=HOSTILE)
    html = page(ada, url(sweep, made_sweep(0.25), more="&all=1"))
    assert HOSTILE not in html and "&lt;script&gt;" in html


def test_queries_grow_with_sweeps_alone(ada: Client) -> None:
    one, other = made_sweep(0.5, 0.25), made_sweep(0.75)
    few = count_queries(ada, url(one, other))
    for _ in range(20):
        factories.trial(one, state="completed", value=0.5)
    # One more where some of the trials are cached.
    assert count_queries(ada, url(one, other)) <= few + 2
