"""A single run's page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from experiments import lifecycle
from experiments.models import Attempt, Run, Trial
from experiments.models.trials import TrialState
from experiments.tracking import ingest
from tests import factories
from tests.pages.clients import client_of, count_queries, model, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]


@pytest.fixture
def run(ada: Client) -> Trial:
    return factories.run(
        factories.team(),
        "svm-rbf",
        created_by=factories.user(),
        client="mlflow 3.17",
        params={"C": "10", "kernel": "rbf"},
        tags={"gpu": "no", "mlflow.source.name": "svm.ipynb"},
    )


def shown(client: Client, run: Trial) -> str:
    return page(client, f"/runs/{run.pk}/")


def silent_for(run: Trial, **time: int) -> None:
    seen = timezone.now() - timedelta(**time)
    Attempt.objects.filter(trial=run).update(heartbeat_at=seen)


def test_the_page_shows_what_was_logged(ada: Client, run: Trial) -> None:
    factories.report(run, [0.5, 0.75])
    html = shown(ada, run)
    for text in ("svm-rbf", "svm.ipynb", "mlflow 3.17", "kernel", "rbf", "gpu: no"):
        assert text in html
    assert "mlflow.source.name" not in html and f"run {run.pk} in" in html
    series = model(html, "run-chart-0-model")["series"]
    (line,) = series
    assert line["name"] == "accuracy"
    assert [point[:2] for point in line["points"]] == [[0, 0.5], [1, 0.75]]
    assert all(0 <= point[2] < 60 for point in line["points"])
    for name in ("x", "smooth", "y"):
        assert f'data-chart-select="{name}"' in html


def test_single_values_are_rows_and_charts_are_for_series(
    ada: Client, run: Trial
) -> None:
    factories.report(run, [0.5, 0.75])
    factories.report(run, [0.625], name="test_auc")
    factories.report(run, [float("nan"), float("inf")], name="broken")
    html = shown(ada, run)
    assert model(html, "run-chart-0-model")["series"][0]["name"] == "accuracy"  # type: ignore[index]
    assert model(html, "run-chart-1-model") is None
    assert "Single values" in html and "0.6250" in html
    assert "all 2 values are NaN or infinite" in html


def test_a_run_without_metrics_shows_the_lines_that_log_to_it(
    ada: Client, run: Trial
) -> None:
    html = shown(ada, run)
    assert f"mlflow.start_run(run_id=&quot;{run.pk:032x}&quot;)" in html
    lifecycle.finish_run(run, TrialState.COMPLETED)
    assert "It reported no metric." in shown(ada, run)


def test_it_is_beside_the_trials_of_the_experiment(ada: Client, run: Trial) -> None:
    sweep = factories.sweep(factories.team())
    for value in (0.25, 0.5, 0.875):
        factories.trial(sweep, state="completed", value=value)
    factories.report(run, [0.5, 0.75])
    newer = factories.sweep(factories.team())
    factories.trial(newer, state="completed", value=0.125)
    html = shown(ada, run)
    assert "2nd <small>of 5" in html
    assert "<strong>0.1250</strong> worse than the best trial" in html
    assert "digits-1/2" in html


def test_other_teams_and_trials_of_sweeps_have_no_such_page(
    ada: Client, run: Trial
) -> None:
    trial = factories.trial(factories.sweep(factories.team()))
    assert ada.get(f"/runs/{trial.pk}/").status_code == 404
    factories.team("Chemistry", otto="member")
    assert client_of("otto").get(f"/runs/{run.pk}/").status_code == 404
    assert ada.get(f"/trials/{run.pk}/").url == f"/runs/{run.pk}/"


def test_the_number_of_queries_does_not_grow(ada: Client, run: Trial) -> None:
    factories.trial(factories.sweep(factories.team()), state="completed", value=0.5)
    factories.report(run, [0.5, 0.75])
    nested: Any = {"parent": run}
    factories.run(factories.team(), **nested)
    few = count_queries(ada, f"/runs/{run.pk}/")
    for number in range(6):
        factories.run(factories.team(), **nested)
        factories.report(run, [0.5], name=f"metric-{number}")
    assert count_queries(ada, f"/runs/{run.pk}/") == few


def test_nested_runs_are_listed(ada: Client, run: Trial) -> None:
    child = factories.run(factories.team(), "fold-1", parent=run)
    factories.report(child, [0.625], name="auc")
    html = shown(ada, run)
    assert "fold-1" in html and "auc</th>" in html and "0.6250" in html
    assert "svm-rbf" in shown(ada, child)


@pytest.mark.parametrize(
    ("silence", "words"),
    [
        ({"minutes": 1}, "It is running"),
        ({"minutes": 6}, "No sign for a while"),
        ({"hours": 25}, "No sign for over a day"),
    ],
)
def test_a_silent_run_says_so_and_still_runs(
    ada: Client, run: Trial, silence: dict[str, int], words: str
) -> None:
    silent_for(run, **silence)
    html = shown(ada, run)
    assert words in html
    assert ("Mark it as ended" in html) == ("No sign" in words)
    factories.report(run, [0.5])
    assert "0.5" in shown(ada, run)


def test_a_person_ends_a_run(ada: Client, run: Trial) -> None:
    assert "How did it end?" in page(ada, f"/runs/{run.pk}/end/")
    ada.post(f"/runs/{run.pk}/end/", {"state": "failed"})
    html = shown(ada, run)
    assert "Marked as failed by ada." in html
    assert ada.post(f"/runs/{run.pk}/end/", {"state": "terminated"}).status_code == 422


def test_name_tags_and_note_change(ada: Client, run: Trial) -> None:
    form = {"name": "svm", "tags": "best\ngpu = yes", "note": "As good as <b>it</b>."}
    assert ada.post(f"/runs/{run.pk}/edit/", form).status_code == 302
    stored = Run.objects.get(trial=run)
    assert stored.tags == {"mlflow.source.name": "svm.ipynb", "best": "", "gpu": "yes"}
    html = shown(ada, run)
    assert "As good as &lt;b&gt;it&lt;/b&gt;." in html
    long = {**form, "tags": "x" * 251}
    answer = ada.post(f"/runs/{run.pk}/edit/", long)
    assert answer.status_code == 422
    assert "1 to 250 characters" in answer.content.decode()


def test_a_deleted_run_can_be_restored(ada: Client, run: Trial) -> None:
    assert "can be restored" in page(ada, f"/runs/{run.pk}/delete/")
    answer = ada.post(f"/runs/{run.pk}/delete/")
    assert answer.url == f"/experiments/{run.experiment_id}/?trash"
    assert ada.get(f"/runs/{run.pk}/").status_code == 404
    ada.post(f"/runs/{run.pk}/restore/")
    assert "svm-rbf" in shown(ada, run)


@pytest.mark.parametrize("action", ["edit", "end", "delete", "restore"])
def test_a_viewer_changes_nothing(run: Trial, action: str) -> None:
    vera = client_of("vera")
    assert "Delete run" not in shown(vera, run)
    assert vera.post(f"/runs/{run.pk}/{action}/").status_code == 403


def test_the_feed_sends_what_changed(ada: Client, run: Trial) -> None:
    factories.report(run, [0.5])
    url = f"/runs/{run.pk}/feed.json"
    first = ada.get(url).json()
    assert set(first["parts"]) >= {"head", "tiles", "metrics", "parameters"}
    factories.report(run, [0.75], first_step=1)
    second = ada.get(f"{url}?since={first['since']}").json()
    assert "parameters" not in second["parts"] and "tiles" in second["parts"]
    points = second["charts"]["run-chart-0"]["series"][0]["points"]
    assert [point[:2] for point in points] == [[0, 0.5], [1, 0.75]]
    lifecycle.finish_run(run, TrialState.COMPLETED)
    assert ada.get(url).json()["final"] is True


def test_many_metrics_are_found_by_name(ada: Client, run: Trial) -> None:
    points = [
        ingest.Point(f"layer{i}_norm", step, float(i))
        for i in range(30)
        for step in (0, 1)
    ]
    ingest.record(run.current_attempt_id or 0, points)
    assert "12 of 30 charts" in shown(ada, run)
    found = page(ada, f"/runs/{run.pk}/?metric=layer27")
    assert "layer27_norm" in found and "1 of 30 charts" in found
