"""A few trials side by side: who is the reference, what differs, and who may look."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from experiments import storage
from experiments.code.snapshots import store_files
from experiments.models import Artifact, Attempt, Sweep, Trial
from experiments.models.environments import note_environment
from experiments.pages.compare.comparison import Comparison
from experiments.pages.compare.lead import (
    difference_text,
    lead_of,
    length_words,
    ratio_text,
)
from experiments.pages.compare.table import as_text, equal_rows, sections
from experiments.pages.space import picture
from experiments.tracking import ingest
from experiments.tracking.axes import ParameterAxis, axes_of
from tests import factories
from tests.pages.clients import count_queries, model, page

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]
HOSTILE = "<script>alert(1)</script>"
SPACE = {
    "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
    "momentum": {"type": "uniform", "min_value": 0.5, "max_value": 1.0},
    "batch": {"type": "choice", "values": [16, 32, 64]},
    "optimizer": {"type": "choice", "values": ["adam", "sgd"]},
}
ONE = {"lr": 0.01, "momentum": 0.9, "batch": 64, "optimizer": "sgd"}
OTHER = {"lr": 0.026, "momentum": 0.737, "batch": 16, "optimizer": "sgd"}


def made_sweep(**objective: str) -> Sweep:
    goal = {"primary_metric": "accuracy", "goal": "maximize", **objective}
    limits = {"max_total_trials": 50, "max_concurrent_trials": 2}
    document = factories.definition_document(
        search_space=SPACE,
        trial={"command": "python train.py"},
        inputs={"epochs": 30},
        objective=goal,
        limits=limits,
    )
    return factories.sweep(factories.team(), document=document)


def two_trials() -> tuple[Trial, Trial]:
    sweep = made_sweep()
    worse = factories.reported_trial(sweep, [0.5, 0.7], state="completed", params=OTHER)
    best = factories.reported_trial(sweep, [0.6, 0.9], state="completed", params=ONE)
    return worse, best


def compared(*trials: Trial) -> Comparison:
    ids = [trial.pk for trial in trials]
    found = (
        Trial.objects.select_related(
            "experiment__team", "sweep__experiment", "sweep__pool", "sweep__code"
        )
        .select_related("current_attempt__worker")
        .in_bulk(ids)
    )
    return Comparison([found[pk] for pk in ids], timezone.now())


def url(*trials: Trial, more: str = "") -> str:
    return f"/compare/?trials={','.join(str(trial.pk) for trial in trials)}{more}"


def test_the_best_is_the_reference_and_comes_first() -> None:
    worse, best = two_trials()
    comparison = compared(worse, best)
    assert [entrant.trial for entrant in comparison.entrants] == [best, worse]
    assert comparison.reference.is_best


def test_when_lower_is_better_the_lowest_is_the_reference() -> None:
    sweep = made_sweep(goal="minimize")
    high = factories.reported_trial(sweep, [0.9], state="completed")
    low = factories.reported_trial(sweep, [0.1], state="completed")
    assert compared(high, low).reference.trial == low


def test_a_failed_trial_is_never_the_reference() -> None:
    sweep = made_sweep()
    failed = factories.trial(sweep, state="failed", value=0.99)
    worse = factories.trial(sweep, state="completed", value=0.5)
    assert compared(failed, worse).reference.trial == worse


def test_differences_are_factors_or_numbers_by_the_scale() -> None:
    worse, best = two_trials()
    rows = {
        row.name: row
        for row in sections(compared(worse, best), only_differences=True)[0].rows
    }
    assert rows["lr"].cells[1].note == "\u00d72.6"
    assert rows["momentum"].cells[1].note == "\u22120.163"
    assert rows["batch"].cells[1].note == "÷4"
    assert "optimizer" not in rows


def test_what_is_equal_is_named_at_the_foot_and_shown_when_asked() -> None:
    worse, best = two_trials()
    comparison = compared(worse, best)
    equal = equal_rows(comparison)
    assert "optimizer sgd" in equal and "epochs 30" in equal
    whole = {
        row.name
        for part in sections(comparison, only_differences=False)
        for row in part.rows
    }
    assert {"optimizer", "epochs", "command", "pool"} <= whole


def test_values_that_differ_in_type_only_differ() -> None:
    axis = ParameterAxis("x", choices=(1, "1", True))
    assert [axis.place(value) for value in (1, "1", True)] == pytest.approx(
        [1 / 6, 3 / 6, 5 / 6]
    )
    assert axis.place(1.0) is None
    assert difference_text(axis, True, 1) == ""


def test_ratios_in_few_signs() -> None:
    assert ratio_text(2.604) == "\u00d72.6"
    assert ratio_text(0.25) == "÷4"
    assert ratio_text(1.004) == "\u00d71.004"
    assert ratio_text(1.0) == ""
    assert ratio_text(0.0) == ""


def test_times_in_words() -> None:
    assert length_words(24.0, 10.0) == "took 2.4 times as long"
    assert length_words(10.0, 10.5) == "took about as long"
    assert length_words(4.0, 10.0) == "took 60 % less time"
    assert length_words(None, 10.0) == ""


def test_places_follow_the_scale_of_the_parameter() -> None:
    axes = axes_of(made_sweep())
    assert axes["lr"].place(0.01) == pytest.approx(0.5)
    assert axes["momentum"].place(0.75) == pytest.approx(0.5)
    assert axes["batch"].place(32) == pytest.approx(0.5)
    assert axes["lr"].place(-1) is None
    assert len(axes["batch"].dots) == 3 and not axes["lr"].dots


def test_marks_in_one_place_stand_beside_each_other() -> None:
    worse, best = two_trials()
    axis = axes_of(worse.sweep)["optimizer"]
    shown = picture(axis, "optimizer", [(best, "best"), (worse, "completed")])
    assert shown is not None
    assert [mark.x for mark in shown.marks] == ["75.00%", "75.00%"]
    assert [mark.shift for mark in shown.marks] == [0, 11]


def test_a_lead_within_the_scatter_may_turn_around() -> None:
    sweep = made_sweep()
    noisy = [0.8, 0.9, 0.8, 0.9, 0.8, 0.9]
    best = factories.reported_trial(sweep, noisy, state="completed", params=ONE)
    other = factories.reported_trial(sweep, [0.88], state="completed", params=OTHER)
    lead = lead_of(compared(best, other))
    assert lead.sentence == (
        "Trial 0 leads trial 1 by 0.02. Around their trend its last 6 reports scatter"
        " by 0.12 (standard deviation); the lead is 0.17 times that, so another seed"
        " may reverse it."
    )
    assert lead.notes == [
        "Trial 1 differs in 3 of 4 parameters and took about as long."
    ]


def test_a_lead_far_beyond_the_scatter_says_so() -> None:
    sweep = made_sweep()
    steady = [0.9 + (k % 2) / 100 for k in range(12)]
    best = factories.reported_trial(sweep, steady, state="completed")
    other = factories.reported_trial(sweep, [0.2], state="terminated")
    lead = lead_of(compared(best, other))
    assert "its last 10 reports scatter by 0.012" in lead.sentence
    assert lead.sentence.endswith("times that, more than this scatter explains.")
    assert "was ended early after report 1" in lead.notes[0]


def test_the_trend_of_training_is_not_scatter() -> None:
    sweep = made_sweep()
    climbs = [0.98 - 0.25 * 0.75**k for k in range(10)]
    best = factories.reported_trial(sweep, climbs, state="completed")
    other = factories.reported_trial(sweep, [climbs[-1] - 0.02], state="completed")
    sentence = lead_of(compared(best, other)).sentence
    assert "may reverse" not in sentence and "scatter explains" in sentence
    line = [0.6 + 0.05 * k for k in range(8)]
    best = factories.reported_trial(sweep, line, state="completed")
    sentence = lead_of(compared(best, other)).sentence
    assert sentence.endswith("Its last 8 reports hardly scatter around their trend.")


def test_trials_without_values_have_no_lead() -> None:
    sweep = made_sweep()
    one, other = factories.trial(sweep), factories.trial(sweep)
    assert lead_of(compared(one, other)).sentence == (
        "None of these trials has a value of accuracy yet."
    )


def test_trials_of_different_objectives_are_not_ordered() -> None:
    one = factories.trial(made_sweep(), state="completed", value=0.5)
    other = factories.trial(
        made_sweep(primary_metric="loss", goal="minimize"), state="completed", value=0.1
    )
    comparison = compared(one, other)
    assert "different objectives" in lead_of(comparison).sentence
    assert comparison.reference.trial == one
    assert comparison.reference.name == "digits-1/0"


def test_the_page_shows_table_charts_and_logs(ada: Client) -> None:
    worse, best = two_trials()
    for trial in (worse, best):
        Attempt.objects.filter(trial=trial).update(state="running")
        points = [ingest.Point("val_loss", k, 1.0 / (k + 1)) for k in range(3)]
        ingest.record(trial.current_attempt_id or 0, points)
        Attempt.objects.filter(trial=trial).update(state="finished", log_bytes=6)
        storage.append_log(trial.current_attempt_id or 0, b"saved\n")
    html = page(ada, url(worse, best))
    assert "Trial 1 leads trial 0 by 0.2." in html
    assert "val_loss, lowest" in html
    assert html.count("saved") == 2
    models = [
        json.loads(m)
        for m in re.findall(r'-model" type="application/json">(.*?)<', html)
    ]
    assert [m["objective"]["metric"] for m in models] == ["accuracy", "val_loss"]
    assert [t["name"] for t in models[0]["trials"]] == ["1", "0"]
    assert models[0]["trials"][0]["best"] is True


def test_only_differences_is_in_the_address(ada: Client) -> None:
    worse, best = two_trials()
    html = page(ada, url(worse, best))
    assert "Show them" in html and "same, sgd" not in html
    assert "same, sgd" in page(ada, url(worse, best, more="&all=1"))


def test_a_trial_is_taken_out_by_a_link(ada: Client) -> None:
    worse, best = two_trials()
    third = factories.trial(made_sweep(), state="completed", value=0.1)
    html = page(ada, url(worse, best, third))
    assert f'href="/compare/?trials={best.pk},{third.pk}"' in html


def test_a_trial_is_added_by_its_number_or_name(ada: Client) -> None:
    worse, best = two_trials()
    third = factories.trial(made_sweep(), state="completed", value=0.1)
    start = {"trials": str(worse.pk)}
    by_number = ada.get("/compare/add/", {**start, "number": "1"})
    assert by_number["Location"] == url(worse, best)
    kept = ada.get("/compare/add/", {**start, "number": "1", "metric": ["a", "b"]})
    assert kept["Location"] == url(worse, best, more="&metric=a&metric=b")
    by_name = ada.get("/compare/add/", {**start, "number": "digits-2/0"})
    assert by_name["Location"] == url(worse, third)


@pytest.mark.parametrize("wanted", ["99", "", "x", "digits-9/0", HOSTILE, "9" * 30])
def test_a_number_that_is_not_there_is_explained(ada: Client, wanted: str) -> None:
    worse, best = two_trials()
    query = {"trials": f"{worse.pk},{best.pk}", "number": wanted}
    html = ada.get("/compare/add/", query, follow=True).content.decode()
    assert "There is no trial" in html and HOSTILE not in html


@pytest.mark.parametrize("text", ["x", "1,y", "-1", "1;2", "99999", "9" * 30, "²"])
def test_what_is_no_trial_is_not_found(ada: Client, text: str) -> None:
    worse, _ = two_trials()
    address = f"/compare/?trials={worse.pk},{text}"
    assert ada.get(address).status_code == 404


def test_a_form_without_scripts_sends_each_trial_by_itself(ada: Client) -> None:
    worse, best = two_trials()
    plain = page(ada, f"/compare/?trials={worse.pk}&trials={best.pk}&trials={worse.pk}")
    assert "Compare 2 trials" in plain


def test_too_few_and_too_many_are_told_what_to_do(ada: Client) -> None:
    sweep = made_sweep()
    trials = [factories.trial(sweep) for _ in range(9)]
    assert "at least two trials" in page(ada, "/compare/")
    assert "at least two trials" in page(ada, url(trials[0]))
    assert "At most 8 trials" in page(ada, url(*trials))
    assert "Compare 8 trials" in page(ada, url(*trials[:8]))


def test_trials_of_another_team_are_not_there(client: Client) -> None:
    worse, best = two_trials()
    address = url(worse, best)
    assert client.get(address).status_code == 302
    factories.team("Others", otto="admin")
    client.force_login(factories.user("otto"))
    assert client.get(address).status_code == 404
    add = {"trials": str(worse.pk), "number": "1"}
    assert client.get("/compare/add/", add).status_code == 404


def test_trials_of_two_teams_are_not_compared(ada: Client) -> None:
    worse, _ = two_trials()
    other = factories.team("Chemistry", ada="member")
    factories.pool(other)
    foreign = factories.trial(factories.sweep(other))
    assert "belong to different teams" in page(ada, url(worse, foreign))


def test_a_viewer_may_compare(client: Client) -> None:
    factories.team("Physics", vera="viewer")
    client.force_login(factories.user("vera"))
    assert "Side by side" in page(client, url(*two_trials()))


def test_names_and_values_from_outside_are_escaped(ada: Client) -> None:
    worse, best = two_trials()
    Trial.objects.filter(pk=worse.pk).update(params={HOSTILE: HOSTILE})
    Attempt.objects.filter(trial=best).update(log_bytes=9)
    storage.append_log(best.current_attempt_id or 0, f"\x1b[2J{HOSTILE}".encode())
    html = page(ada, url(worse, best))
    assert HOSTILE not in html and "\x1b" not in html
    assert "&lt;script&gt;" in html


def test_copied_text_is_never_a_formula() -> None:
    worse, best = two_trials()
    Trial.objects.filter(pk=worse.pk).update(params={**OTHER, "optimizer": "=1+1"})
    comparison = compared(worse, best)
    text = as_text(["1", "0"], sections(comparison, only_differences=True))
    assert "optimizer\tsgd\t'=1+1" in text
    assert "lr\t0.01\t0.026" in text


def test_the_number_of_queries_does_not_grow_with_the_trials(ada: Client) -> None:
    sweep = made_sweep()
    trials = [
        factories.reported_trial(sweep, [0.5, 0.6], state="completed") for _ in range(8)
    ]
    counts = []
    for count in (2, 8):
        page(ada, url(*trials[:count]))
        counts.append(count_queries(ada, url(*trials[:count])))
    assert counts[0] == counts[1]
    assert counts[0] < 30


def test_metrics_are_chosen_for_the_charts_and_the_table(ada: Client) -> None:
    worse, best = two_trials()
    for trial in (worse, best):
        Attempt.objects.filter(trial=trial).update(state="running")
        for name in ("val_loss", "f1", "recall"):
            points = [ingest.Point(name, k, 1.0 / (k + 1)) for k in range(3)]
            ingest.record(trial.current_attempt_id or 0, points)
    usual = page(ada, url(worse, best))
    assert "Metrics 1 of 3" in usual and "recall, highest" in usual
    html = page(ada, url(worse, best, more="&metric=val_loss&metric=f1&metric=nope"))
    names = ("metric-1-model", "metric-2-model")
    charts = [model(html, name) for name in names]
    assert [c["objective"]["metric"] for c in charts] == ["val_loss", "f1"]
    assert "Metrics 2 of 3" in html and "recall, highest" not in html
    assert "metric=val_loss&amp;metric=f1" in html
    curve = charts[0]["trials"][0]["curve"]
    assert [point[:3] for point in curve] == [[0, 1.0, 0], [1, 0.5, 1], [2, 1 / 3, 2]]
    assert all(point[3] >= 0 for point in curve)


def saved(trial: Trial, path: str, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    pk = trial.current_attempt_id or 0
    storage.write_whole(storage.output_path(pk, sha256), [content])
    Artifact.objects.create(attempt_id=pk, path=path, size=len(content), sha256=sha256)


def test_files_are_side_by_side_and_equal_ones_are_marked(ada: Client) -> None:
    worse, best = two_trials()
    for trial in (worse, best):
        saved(trial, "model.json", b"{}")
        saved(trial, "log.txt", f"{HOSTILE} {trial.number}".encode())
    saved(best, "only.csv", b"a,b\n1,2\n")
    html = page(ada, url(worse, best))
    assert html.count('<td class="ink-3">same</td>') == 1
    assert html.count('<span class="unset">none</span>') == 1
    opened = page(ada, url(worse, best, more="&file=log.txt"))
    assert HOSTILE not in opened and "&lt;script&gt;alert(1)&lt;/script&gt; 1" in opened
    assert "It has no only.csv." in page(ada, url(worse, best, more="&file=only.csv"))


def test_other_code_is_compared_when_asked(ada: Client) -> None:
    one, other = made_sweep(), made_sweep()
    for sweep, text in ((one, b"lr = 1\n"), (other, b"lr = 2\n")):
        code = store_files(sweep.experiment.team, {"train.py": text}, user=None)
        Sweep.objects.filter(pk=sweep.pk).update(code=code)
    best = factories.trial(one, state="completed", value=0.9)
    worse = factories.trial(other, state="completed", value=0.5)
    html = page(ada, url(best, worse))
    other.refresh_from_db()
    assert "Show what differs" in html and "lr = 2" not in html
    opened = page(ada, url(best, worse, more=f"&code={other.code_id}"))
    assert "-lr = 1" in opened and "+lr = 2" in opened and "1 file differs" in opened


def test_trials_of_one_sweep_can_run_again(ada: Client, client: Client) -> None:
    worse, best = two_trials()
    again = f"/sweeps/{best.sweep_id}/again/?trials={best.pk},{worse.pk}"
    assert f'href="{again}"' in page(ada, url(worse, best))
    third = factories.trial(made_sweep(), state="completed", value=0.1)
    assert "/again/" not in page(ada, url(worse, third))
    client.force_login(factories.user("vera"))
    assert "/again/" not in page(client, url(worse, best))


def test_other_packages_and_commits_are_named(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    trials = [factories.trial(sweep, state="completed", value=v) for v in (0.9, 0.8)]
    versions = (["a==1", "numpy==2.2"], ["b==1", "numpy==2.3"])
    for trial, packages in zip(trials, versions, strict=True):
        sent = {"packages": packages, "diff": str(packages), "python": "3.12.7"}
        note_environment(trial, sent)
    html = page(ada, url(*trials))
    assert "no a, b 1, numpy 2.3" in html
    assert "2 packages" in html
    assert "not committed" in html


def test_of_two_sweeps_only_one_trial_is_the_best() -> None:
    found = []
    for value in (0.5, 0.75):
        sweep = factories.sweep(factories.team())
        found.append(factories.reported_trial(sweep, [value], state="completed"))
    entrants = compared(*found).entrants
    assert [(e.trial.value, e.is_best) for e in entrants] == [
        (0.75, True),
        (0.5, False),
    ]


def test_trials_of_several_sweeps_lead_to_their_sweeps(ada: Client) -> None:
    worse, best = two_trials()
    assert "compare their sweeps" not in page(ada, url(worse, best))
    third = factories.trial(made_sweep(), state="completed", value=0.1)
    address = f"/compare/sweeps/?sweeps={best.sweep_id},{third.sweep_id}"
    assert address in page(ada, url(best, third))
