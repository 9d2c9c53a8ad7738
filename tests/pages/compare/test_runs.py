"""Single runs beside trials, and beside each other."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments import lifecycle
from experiments.models import CodeSnapshot, Trial
from experiments.models.trials import TrialState
from experiments.pages.compare.charts import by_report
from experiments.sweeps.warm_start import warm_start
from tests import factories
from tests.pages.clients import count_queries, model, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]


def run(name: str, *values: float, **fields: object) -> Trial:
    made = factories.run(factories.team(), name, **fields)
    if values:
        factories.report(made, values)
    return made


def url(*trials: Trial) -> str:
    return f"/compare/?trials={','.join(str(trial.pk) for trial in trials)}"


def test_a_run_is_measured_by_the_objective_of_the_trials(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5, 0.75], params={"x": 0.5})
    best = run("by-hand", 0.25, 0.875, 0.5, params={"x": "0.25", "flag": "True"})
    html = page(ada, url(trial, best))
    assert "Run by-hand leads trial digits-1/0 by 0.125." in html
    assert "Compare 2 trials and runs" in html
    chart = {each["name"]: each for each in model(html, "primary-model")["trials"]}
    points = [point[:3] for point in chart["by-hand"]["curve"]]
    assert points == [[1, 0.25, 0], [2, 0.875, 1], [3, 0.5, 2]]
    assert chart["by-hand"]["params"] == {"x": 0.25, "flag": True}


def test_code_that_is_not_known_is_not_the_same_version(ada: Client) -> None:
    team = factories.team()
    code = CodeSnapshot.objects.create(team=team, digest="b97ff46d" * 8, size=1)
    sweep = factories.sweep(team, code=code)
    trials = [factories.trial(sweep, state="completed", value=v) for v in (0.5, 0.75)]
    assert "<li>one code version, b97ff46d</li>" in page(ada, url(*trials))
    html = page(ada, url(trials[0], run("by-hand", 0.25)))
    assert "<li>one code version, b97ff46d, in 1 of 2</li>" in html


def test_runs_alone_have_no_objective(ada: Client) -> None:
    first, second = run("a", 0.5), run("b", 0.75)
    html = page(ada, url(first, second))
    assert "Runs have no objective; run a is the reference." in html
    assert "Compare 2 runs" in html
    assert len(model(html, "metric-1-model")["trials"]) == 2


def test_a_run_is_added_by_its_name(ada: Client) -> None:
    first, second = run("a", 0.5), run("two words", 0.75)
    answer = ada.get(f"/compare/add/?trials={first.pk}&number=two+words")
    assert answer.url == url(first, second)
    for number in (second.pk, f"run {second.pk}"):
        answer = ada.get(f"/compare/add/?trials={first.pk}&number={number}")
        assert answer.url == url(first, second)
    answer = ada.get(f"/compare/add/?trials={first.pk}&number=b", follow=True)
    assert "no trial or run &#x27;b&#x27;" in answer.content.decode()


def test_queries_do_not_grow_with_runs(ada: Client) -> None:
    trial = factories.reported_trial(factories.sweep(factories.team()), [0.5])
    runs = [run(f"r{n}", 0.5) for n in range(5)]
    assert count_queries(ada, url(trial, *runs)) == count_queries(
        ada, url(trial, runs[0])
    )


def test_a_thinned_curve_keeps_its_length_in_reports() -> None:
    thinned: list[list[float | None]] = [[0, 1.0], [50, 2.0], [99, 3.0]]
    assert by_report(thinned, 100) == [[1, 1.0], [51, 2.0], [100, 3.0]]
    assert by_report([[7, 1.0], [9, None]], 2) == [[1, 1.0], [2, None]]
    assert by_report([], 0) == []


def test_an_imported_trial_has_the_curves_of_what_it_was_made_from(ada: Client) -> None:
    source = run("svm", 0.25, 0.75, params={"x": "0.5"})
    factories.report(source, [2.0, 1.0], name="other")
    lifecycle.finish_run(source, TrialState.COMPLETED)
    draft = factories.sweep(factories.team(), state="draft")
    warm_start(draft, [source])
    imported, other = draft.trials.get(), run("knn", 0.5)
    html = page(ada, url(imported, other))
    for name, values in (
        ("primary-model", [0.25, 0.75]),
        ("metric-1-model", [2.0, 1.0]),
    ):
        curves = {each["id"]: each["curve"] for each in model(html, name)["trials"]}
        assert [value for _, value, *_ in curves[imported.pk]] == values


def test_of_many_parameters_those_that_differ_come_first(ada: Client) -> None:
    same = {f"p{n:03}": "1" for n in range(50)}
    first = run("a", 0.5, params=same | {f"z{n:03}": "1" for n in range(60)})
    second = run("b", 0.75, params=same | {f"z{n:03}": "2" for n in range(60)})
    html = page(ada, url(first, second))
    assert "z039</th>" in html and "z040</th>" not in html and "p000</th>" not in html
    assert "20 more parameters differ." in html
    whole = page(ada, f"{url(first, second)}&all=1")
    assert whole.index("z059</th>") < whole.index("p000</th>")
