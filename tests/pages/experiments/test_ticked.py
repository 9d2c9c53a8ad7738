"""Several sweeps and runs of an experiment: opened, compared, tagged and archived."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from experiments import lifecycle
from experiments.models import Run, Sweep, Trial
from tests import factories
from tests.pages.clients import client_of, page, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]


@pytest.fixture
def sweeps() -> list[Sweep]:
    team = factories.team("Physics", ada="member", vera="viewer")
    made = [factories.sweep(team) for _ in range(2)]
    for sweep, offset in zip(made, (0.0, 0.25), strict=True):
        for value in (0.25, 0.5, 0.125, 0.375):
            factories.reported_trial(sweep, [value + offset], state="completed")
    Sweep.objects.update(state="completed")
    return made


def best_of(sweep: Sweep) -> Trial:
    return sweep.trials.ranked(sweep.goal)[0]


def run_of(sweep: Sweep) -> Trial:
    claim = lifecycle.start_run(sweep.experiment, name="svm", note="kernel")
    lifecycle.finish_run(claim.attempt.trial, "completed")  # type: ignore[arg-type]
    return Trial.objects.get(pk=claim.attempt.trial_id)


def test_a_sweep_opens_to_its_best_three_trials(
    sweeps: list[Sweep], ada: Client
) -> None:
    first, url = sweeps[0], sweeps[0].experiment.get_absolute_url()
    with CaptureQueriesContext(connection) as closed:
        html = page(ada, url)
    assert f"open={first.pk}" in html and "All trials of" not in html
    with CaptureQueriesContext(connection) as opened:
        html = page(ada, f"{url}?open={first.pk}")
    best = [trial.label for trial in first.trials.ranked(first.goal)[:3]]
    parts = re.findall(r'<tr class="is-part">.*?</tr>', html, re.DOTALL)
    assert [label in part for part, label in zip(parts, best, strict=False)] == [
        True
    ] * 3
    assert f"All trials of {first.label}" in parts[3] and len(parts) == 4
    with CaptureQueriesContext(connection) as both:
        page(ada, f"{url}?open={first.pk},{sweeps[1].pk}")
    assert len(both) == len(opened) <= len(closed) + 3
    for nonsense in ("x", "9" * 30, "1," * 500, "-1", "\u0661"):
        page(ada, f"{url}?open={nonsense}&trials={nonsense}")


def test_two_ticked_sweeps_are_compared_beside_the_chart(
    sweeps: list[Sweep], ada: Client
) -> None:
    url = sweeps[0].experiment.get_absolute_url()
    one = page(ada, f"{url}?trials={best_of(sweeps[0]).pk}")
    assert "Comparison of" not in one and "The ticked sweep." in one
    ticks = ",".join(str(best_of(sweep).pk) for sweep in sweeps)
    html = page(ada, f"{url}?trials={ticks}")
    assert "Comparison of 2 sweeps" in html and "The 2 ticked sweeps." in html
    assert "leads" in html and "checked" in html
    feed = ada.get(f"{url}feed.json?trials={ticks}").json()
    assert "Comparison of 2 sweeps" in feed["parts"]["side"]


@pytest.mark.parametrize("act", ["tag", "note", "archive"])
def test_what_is_ticked_changes_together(
    sweeps: list[Sweep], ada: Client, act: str
) -> None:
    run, url = run_of(sweeps[0]), sweeps[0].experiment.get_absolute_url()
    ticks = {"trials": [best_of(sweeps[0]).pk, run.pk], "sweeps": [sweeps[1].pk]}
    form = f"{url}ticked/{act}/"
    asked = text_of(ada.get(form, ticks))
    for label in (sweeps[0].label, sweeps[1].label, "svm"):
        assert label in asked
    text = "best = yes" if act == "tag" else "*again*"
    assert ada.post(form, {**ticks, "text": text}).status_code == 302
    stored = [*Sweep.objects.all(), Run.objects.get(trial=run)]
    if act == "archive":
        assert all(each.archived_at for each in stored)
    elif act == "tag":
        assert [each.tags.get("best") for each in stored] == ["yes"] * 3
    else:
        notes = [getattr(each, "notes", None) or each.note for each in stored]  # type: ignore[union-attr]
        assert notes == ["*again*", "*again*", "kernel\n\n*again*"]


def test_all_or_nothing(sweeps: list[Sweep], ada: Client) -> None:
    Sweep.objects.filter(pk=sweeps[1].pk).update(state="running")
    form = f"{sweeps[0].experiment.get_absolute_url()}ticked/archive/"
    answer = ada.post(form, {"sweeps": [sweep.pk for sweep in sweeps]})
    assert answer.status_code == 422 and "can be archived" in text_of(answer)
    assert not Sweep.objects.filter(archived_at__isnull=False).exists()
    assert "Tick at least one" in text_of(ada.post(form, {}))
    tag = form.replace("archive", "tag")
    wrong = ada.post(tag, {"sweeps": sweeps[0].pk, "text": "mlflow.user"})
    assert wrong.status_code == 422


def test_nobody_changes_what_they_only_read(sweeps: list[Sweep]) -> None:
    url = f"{sweeps[0].experiment.get_absolute_url()}ticked/tag/"
    fields = {"sweeps": sweeps[0].pk, "text": "x"}
    assert client_of("vera").post(url, fields).status_code == 403
    factories.team("Chemistry", otto="admin")
    assert client_of("otto").post(url, fields).status_code == 404
    # One of another experiment is not reached through this one.
    document = factories.definition_document(experiment_name="other")
    other = factories.sweep(factories.team(), document=document)
    client_of("ada").post(url, {"sweeps": other.pk, "text": "x"})
    assert Sweep.objects.get(pk=other.pk).tags == {}


def test_the_list_is_searched_by_tags_and_notes(
    sweeps: list[Sweep], ada: Client
) -> None:
    run_of(sweeps[0])
    Sweep.objects.filter(pk=sweeps[1].pk).update(tags={"paper": ""})
    url = sweeps[0].experiment.get_absolute_url()
    for query, found in (("paper", sweeps[1].label), ("kernel", "svm")):
        rows = re.findall(
            r'class="value" href="[^"]+">([^<]+)', page(ada, f"{url}?q={query}")
        )
        assert rows == [found]


def test_experiments_are_found_by_name_question_and_tag(
    sweeps: list[Sweep], ada: Client
) -> None:
    factories.experiment(factories.team(), "acids", question="Which one?", tags=["lab"])
    for query in ("acid", "which", "LAB"):
        html = page(ada, f"/experiments/?q={query}")
        assert ">acids<" in html and ">digits<" not in html
    assert "No experiment has zzz" in page(ada, "/experiments/?q=zzz")
