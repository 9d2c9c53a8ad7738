"""The page of one trial: what it shows, to whom, and how it stays fresh."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from experiments import lifecycle, storage
from experiments.models import Attempt, Event, Experiment, Metric, Trial
from experiments.models.missing import RefusedPoint
from experiments.pages.curves import groups_of, points_of, stem_of
from experiments.pages.trial import phases
from experiments.tracking import ingest, run_log
from tests import factories
from tests.pages.clients import count_queries, model, page
from tests.pages.trial.trial_pages import MEDIAN, judged_trial

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]
HOSTILE = "<script>alert(1)</script>"


def put_log(trial: Trial, text: str) -> None:
    attempt_id = trial.current_attempt_id
    assert attempt_id is not None
    storage.append_log(attempt_id, text.encode())
    Attempt.objects.filter(pk=attempt_id).update(
        log_bytes=len(text.encode()), log_chunks=1
    )


def test_the_page_says_why_with_facts_and_decisions(ada: Client) -> None:
    trial = judged_trial()
    html = page(ada, trial.get_absolute_url())
    assert "Trial 3</h1>" in html
    assert "rank 4 of 4" in html
    assert "Trial 3 ended after report 3" in html
    assert "not judged: before report 2" in html
    assert "<td>end</td>" in html
    assert "Compare with best" in html


def test_the_curve_is_held_against_the_rivals_averages(ada: Client) -> None:
    curve = model(page(ada, judged_trial().get_absolute_url()), "curve-model")
    assert curve["reports"] == [[1, 0.3], [2, 0.65], [3, 0.4]]
    assert curve["best"] == [[1, 0.3], [2, 0.65], [3, 0.65]]
    assert curve["unjudgedUntil"] == 1
    assert curve["endedAt"] == 3
    rivals = curve["rivals"]
    assert isinstance(rivals, list)
    assert rivals[0] == [[1, 0.5], [2, 0.6], [3, pytest.approx(2 / 3)]]


def test_at_most_sixty_rivals_are_drawn(ada: Client) -> None:
    limits = {"max_total_trials": 100, "max_concurrent_trials": 2}
    trial = judged_trial(limits=limits)
    known = Metric.objects.defer(None).get(attempt__trial__number=0, name="accuracy")
    others = [factories.trial(trial.sweep, state="completed") for _ in range(62)]
    Metric.objects.bulk_create(
        Metric(attempt=other.current_attempt, name=known.name, count=3, tail=known.tail)
        for other in others
    )
    Trial.objects.filter(reports=0).update(reports=3)
    Attempt.objects.update(claimed_at=known.attempt.claimed_at)
    curve = model(page(ada, trial.get_absolute_url()), "curve-model")
    assert len(curve["rivals"]) == 60  # type: ignore[arg-type]


def test_names_values_and_logs_from_outside_are_escaped(ada: Client) -> None:
    space = {"x": {"type": "choice", "values": [HOSTILE, "b"]}}
    trial = judged_trial(search_space=space, display_name=HOSTILE)
    Trial.objects.filter(pk=trial.pk).update(params={"x": HOSTILE}, origin=HOSTILE)
    Experiment.objects.update(name=HOSTILE)
    put_log(trial, f"\x1b[31m{HOSTILE}\x1b[0m \u202egnp.exe\n\x1b]0;title\x07")
    factories.output(trial, f"{HOSTILE}.html", b"x")
    ingest_metric(trial, HOSTILE)
    html = page(ada, trial.get_absolute_url())
    assert HOSTILE not in html
    assert '<span class="ansi-red">&lt;script&gt;alert(1)&lt;/script&gt;</span>' in html
    assert "\u202e" not in html and "\x1b" not in html


def ingest_metric(trial: Trial, name: str) -> None:
    attempt_id = trial.current_attempt_id
    Attempt.objects.filter(pk=attempt_id).update(state="running")
    ingest.record(attempt_id or 0, [ingest.Point(name, n, 0.5) for n in (1, 2)])
    Attempt.objects.filter(pk=attempt_id).update(state="finished")


@pytest.mark.parametrize("path", ["", "feed.json", "log"])
def test_who_may_not_see_a_trial_does_not_learn_that_it_is_there(
    client: Client, path: str
) -> None:
    url = f"{judged_trial().get_absolute_url()}{path}"
    assert client.get(url).status_code == 302
    factories.team("Others", otto="admin")
    client.force_login(factories.user("otto"))
    assert client.get(url).status_code == 404


def test_a_viewer_reads_but_may_not_cancel(client: Client) -> None:
    factories.team("Physics", vera="viewer")
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    client.force_login(factories.user("vera"))
    assert "Cancel trial" not in page(client, trial.get_absolute_url())
    for method in (client.get, client.post):
        assert method(f"/trials/{trial.pk}/cancel/").status_code == 403
    trial.refresh_from_db()
    assert not trial.stop_reason


def test_a_member_cancels_a_trial_after_a_question(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    html = page(ada, trial.get_absolute_url())
    assert 'data-dialog-open="cancel-trial"' in html
    assert "Its reports are kept" in page(ada, f"/trials/{trial.pk}/cancel/")
    response = ada.post(f"/trials/{trial.pk}/cancel/", follow=True)
    assert "Asked trial" in response.content.decode()
    trial.refresh_from_db()
    assert trial.stop_reason == "user"
    event = Event.objects.get(trial=trial)
    assert (event.verb, event.actor) == ("trial cancelled", factories.user("ada"))


def test_cancelling_twice_is_cancelling_once(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    for _ in range(2):
        ada.post(f"/trials/{trial.pk}/cancel/")
    assert Event.objects.filter(trial=trial).count() == 1


def test_the_log_is_sent_as_a_file_that_nothing_runs(ada: Client) -> None:
    trial = judged_trial()
    put_log(trial, f"{HOSTILE}\n")
    response = ada.get(f"/trials/{trial.pk}/log")
    assert response.content.decode() == f"{HOSTILE}\n"
    assert Event.objects.filter(verb="log downloaded", trial=trial).count() == 1
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


def test_an_earlier_attempt_has_a_log_of_its_own(ada: Client) -> None:
    trial = judged_trial()
    put_log(trial, "first\n")
    assert ada.get(f"/trials/{trial.pk}/log?attempt=1").content == b"first\n"
    assert ada.get(f"/trials/{trial.pk}/log?attempt=2").status_code == 404


def test_a_sentence_about_an_earlier_attempt_ends_before_its_log() -> None:
    trial = judged_trial()
    first = Attempt.objects.get(pk=trial.current_attempt_id)
    first.message = "the worker is shutting down"
    (sentence,) = phases.earlier([first], Attempt(n=first.n + 1))
    assert sentence.endswith(": the worker is shutting down.")


def test_outputs_that_could_not_be_kept_are_told(ada: Client) -> None:
    trial = judged_trial()
    attempt = Attempt.objects.filter(pk=trial.current_attempt_id)
    attempt.update(not_kept="a<b>.bin (not stored: full)")
    text = page(ada, f"/trials/{trial.pk}/")
    assert "Not kept: a&lt;b&gt;.bin (not stored: full)" in text
    assert "It saved no files" not in text
    attempt.update(not_kept="")
    assert "It saved no files" in page(ada, f"/trials/{trial.pk}/")


def test_refused_and_lost_reports_are_named(ada: Client) -> None:
    trial = factories.reported_trial(factories.sweep(factories.team(ada="member")), [1])
    bad = [
        RefusedPoint(f"epoch{i}<b>", "name", "name is odd", str(i)) for i in range(8)
    ]
    bad.append(RefusedPoint("loss", "value", 'value is "much"', "1"))
    ingest.record(trial.current_attempt_id or 0, [], refused=bad)
    text = page(ada, f"/trials/{trial.pk}/")
    names = "“epoch0&lt;b&gt;”, “epoch1&lt;b&gt;”, “epoch2&lt;b&gt;” and 5 more"
    assert f"8 points of {names} were refused: name is odd." in text
    assert "1 point of “loss” was refused: value is &quot;much&quot;." in text
    strip = page(ada, f"/sweeps/{trial.sweep_id}/")
    assert "Results of 1 trial are not complete: 8 points of “epoch0&lt;b&gt;”" in strip
    assert f'href="/trials/{trial.pk}/">Trial 0</a>' in strip


def test_a_trial_with_lost_results_does_not_say_that_it_ran_to_the_end(
    ada: Client,
) -> None:
    sweep = factories.sweep(factories.team(ada="member"))
    trial = factories.reported_trial(sweep, [0.5])
    outcome = lifecycle.Outcome(
        cause="exited",
        exit_code=0,
        lost=["12 metric points are lost"],
        not_kept="big (2 GB) exceeds the limit of 1 GB for all outputs",
    )
    lifecycle.finish_attempt(Attempt.objects.get(trial=trial), outcome)
    text = page(ada, f"/trials/{trial.pk}/")
    assert "ran to the end" not in text.lower()
    assert "12 metric points are lost." in text
    assert "Outputs that are not kept: big (2 GB) exceeds the limit of 1 GB" in text
    assert "set resources.outputs of the sweep higher" in text
    text = page(ada, f"/sweeps/{sweep.pk}/")
    assert "Ended; results are missing" in text and "Ran to the end" not in text
    assert "Results of 1 trial are not complete: reports or output were lost" in text


def test_an_output_is_sent_as_a_file_that_nothing_runs(ada: Client) -> None:
    trial = judged_trial()
    artifact = factories.output(trial, 'plots/a"\u202eb.html', HOSTILE.encode())
    response = ada.get(f"/trials/{trial.pk}/outputs/{artifact.pk}/")
    assert b"".join(response.streaming_content) == HOSTILE.encode()  # type: ignore[attr-defined]
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_an_output_of_another_team_is_not_there(client: Client) -> None:
    trial = judged_trial()
    artifact = factories.output(trial, "model.npz", b"x")
    url = f"/trials/{trial.pk}/outputs/{artifact.pk}/"
    assert client.get(url).status_code == 302
    factories.team("Others", otto="admin")
    client.force_login(factories.user("otto"))
    assert client.get(url).status_code == 404


def test_an_output_is_found_under_its_own_trial_only(ada: Client) -> None:
    one, other = judged_trial(), judged_trial()
    artifact = factories.output(one, "model.npz", b"x")
    url = f"/trials/{other.pk}/outputs/{artifact.pk}/"
    assert ada.get(url).status_code == 404


def test_a_removed_output_says_so_with_404(ada: Client) -> None:
    trial = judged_trial()
    artifact = factories.output(trial, "model.npz", b"x")
    storage.delete_attempt_files([artifact.attempt_id])
    assert ada.get(f"/trials/{trial.pk}/outputs/{artifact.pk}/").status_code == 404


def test_the_feed_brings_only_what_has_changed(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    url = f"/trials/{trial.pk}/feed.json"
    first = ada.get(url).json()
    assert first["final"] is False
    assert set(first["parts"]) >= {"head", "why", "log"}
    put_log(trial, "epoch 2\n")
    second = ada.get(url, {"since": first["since"]}).json()
    assert "epoch 2" in second["parts"]["log"]
    assert "outputs" not in second["parts"]
    factories.report(trial, [0.9], first_step=5)
    third = ada.get(url, {"since": second["since"]}).json()
    assert "0.9000" in third["parts"]["head"]
    assert third["charts"]["curve"]["reports"] == [[1, 0.5], [2, 0.9]]


def test_the_feed_of_an_ended_trial_is_final_and_then_empty(ada: Client) -> None:
    trial = judged_trial()
    url = f"/trials/{trial.pk}/feed.json"
    first = ada.get(url).json()
    assert first["final"] is True
    again = ada.get(url, {"since": first["since"]}).json()
    assert again["parts"] == {}


def test_the_number_of_queries_does_not_grow_with_the_sweep(ada: Client) -> None:
    limits = {"max_total_trials": 100, "max_concurrent_trials": 2}
    counts = []
    for rivals in (3, 12):
        trial = judged_trial(rivals=rivals, limits=limits)
        for k in range(rivals):
            ingest_metric(trial, f"metric_{k}")
            factories.output(trial, f"file_{k}", b"x")
        page(ada, trial.get_absolute_url())
        counts.append(count_queries(ada, trial.get_absolute_url()))
    assert counts[0] == counts[1]
    assert counts[0] < 40


def test_nested_runs_of_a_trial_are_listed(ada: Client) -> None:
    trial = factories.trial(factories.sweep(factories.team()))
    run = factories.run(factories.team(), "fold-1", parent=trial)
    html = page(ada, trial.get_absolute_url())
    assert "Nested runs" in html and f"/runs/{run.pk}/" in html


def test_what_the_script_tagged_is_shown(ada: Client) -> None:
    trial = judged_trial()
    run_log.set_tags(trial, {"stage": "<draft>", "mlflow.user": "ada", "fast": ""})
    html = page(ada, trial.get_absolute_url())
    for chip in ("stage: &lt;draft&gt;", "fast"):
        assert f'<span class="chip">{chip}<button' in html
    assert "mlflow.user" not in html


def test_metrics_of_one_stem_share_a_picture(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    for name in ("loss", "val_loss", "lr"):
        factories.report(trial, [1.0, 0.5], name=name)
    html = page(ada, f"{trial.get_absolute_url()}?metric=loss")
    lines = model(html, "metrics-model")
    assert [s["name"] for s in lines["series"]] == ["loss", "val_loss"]  # type: ignore[attr-defined]
    assert '<option value="lr"' in html


def test_any_of_many_metrics_can_be_chosen(ada: Client) -> None:
    trial = factories.reported_trial(factories.sweep(factories.team()), [0.5])
    names = [f"m{n}" for n in range(120)]
    points = [ingest.Point(name, step, 1.0) for name in names for step in (0, 1)]
    ingest.record(trial.current_attempt_id or 0, points)
    url = trial.get_absolute_url()
    html = page(ada, url)
    assert "100 of 120" in html
    assert html.index('<option value="m2">') < html.index('<option value="m10">')
    html = page(ada, f"{url}?metric=M119")
    assert [s["name"] for s in model(html, "metrics-model")["series"]] == ["m119"]  # type: ignore[attr-defined]
    assert "1 of 120" in html


def test_a_metric_with_one_point_is_a_row_and_no_chart(ada: Client) -> None:
    trial = factories.reported_trial(factories.sweep(factories.team()), [0.5])
    ingest.record(trial.current_attempt_id or 0, [ingest.Point("auc", 7, 0.875)])
    html = page(ada, trial.get_absolute_url())
    assert "Single values" in html and "0.8750" in html
    assert 'data-model="metrics-model"' not in html


def test_stems() -> None:
    assert (
        stem_of("val_loss") == stem_of("train/loss") == stem_of("loss/test") == "loss"
    )
    assert stem_of("val") == "val"


def test_long_series_are_thinned_and_keep_their_last_point(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    trial = factories.reported_trial(sweep, [0.5])
    factories.report(trial, [k / 2_000 for k in range(2_000)], name="loss")
    (group,) = groups_of(list(trial.current_attempt.metrics.filter(name="loss")))  # type: ignore[union-attr]
    (points,) = points_of(group.metrics).values()
    assert len(points) <= 302
    assert points[-1] == [1_999, 1_999 / 2_000]


@pytest.mark.parametrize(
    ("checks", "hidden", "hidden_on_phones"),
    [(7, 0, 0), (8, 0, 3), (13, 0, 8), (14, 0, 9), (15, 3, 10)],
)
def test_a_link_shows_at_least_three_more_checks(
    ada: Client, checks: int, hidden: int, hidden_on_phones: int
) -> None:
    document = factories.definition_document(early_termination=MEDIAN)
    sweep = factories.sweep(factories.team(), document=document)
    factories.reported_trial(sweep, [0.1] * (checks + 1), state="completed")
    trial = factories.reported_trial(sweep, [0.5] * (checks + 1))
    text = page(ada, trial.get_absolute_url())
    ranks = re.findall(r'<tr class="[a-z- ]*(?:rank-(\d))?" title', text)
    assert len(ranks) == checks - hidden
    assert "2" not in ranks
    assert ranks.count("1") + hidden == hidden_on_phones
    assert (f"Show all {checks} checks" in text) == (hidden_on_phones > 0)
    assert ("show-all phones-only" in text) == (hidden_on_phones > hidden == 0)
    for left_out in filter(None, (hidden, hidden_on_phones)):
        assert f"{checks - left_out} of {checks} checks are shown: the first" in text
    assert text.count("checks are shown") == bool(hidden) + bool(hidden_on_phones)


def test_all_decisions_are_shown_when_asked_for(ada: Client) -> None:
    document = factories.definition_document(early_termination=MEDIAN)
    sweep = factories.sweep(factories.team(), document=document)
    factories.reported_trial(sweep, [0.1] * 30, state="completed")
    trial = factories.reported_trial(sweep, [0.5] * 30)
    short = page(ada, trial.get_absolute_url())
    assert "Show all 29 checks" in short and len(rows_of(short)) == 12
    whole = page(ada, f"{trial.get_absolute_url()}?decisions=all")
    assert "Show all" not in whole and len(rows_of(whole)) == 29
    assert "checks are shown" not in whole


def rows_of(html: str) -> list[str]:
    """The classes of the verdicts' rows."""
    return re.findall(r'<tr class="([a-z0-9- ]*)" title', html)
