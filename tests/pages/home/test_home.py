"""Home: what runs, what needs a person, what is new; and the first start."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from experiments.models import Experiment, Sweep, Trial, Worker
from tests import factories
from tests.pages.clients import count_queries, page

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def running_sweep(**fields: object) -> Sweep:
    sweep = factories.sweep(factories.team(), user=factories.user("ada"), **fields)
    factories.trial(sweep, state="completed", value=0.8, elapsed=10.0)
    factories.trial(sweep, state="completed", value=0.9, elapsed=10.0)
    factories.trial(sweep, state="terminated", value=0.3, elapsed=2.0)
    factories.reported_trial(sweep, [0.5])
    return sweep


def test_a_visitor_is_sent_to_the_login(client: Client) -> None:
    assert client.get("/")["Location"] == "/login/?next=/"
    assert client.get("/home/feed.json").status_code == 302


def test_somebody_without_a_team_is_told_what_to_do(client: Client) -> None:
    client.force_login(factories.user("alone"))
    assert "You are not in a team yet" in page(client, "/")


def test_the_first_start_offers_the_demo(ada: Client) -> None:
    factories.worker(factories.pool(factories.team()), slots=3)
    text = page(ada, "/")
    assert "Nothing has run here yet" in text
    assert 'action="/demo/"' in text
    assert "3 slots ready" in text


def test_a_viewer_is_not_offered_what_they_may_not_do(client: Client) -> None:
    factories.team("Physics", vera="viewer")
    client.force_login(factories.user("vera"))
    text = page(client, "/")
    assert "Nothing has run here yet" in text
    assert "/demo/" not in text
    refused = client.post("/demo/")
    assert refused.status_code == 403
    assert "You may not do this" in refused.content.decode()


def test_the_demo_starts_with_one_click(ada: Client) -> None:
    response = ada.post("/demo/")
    sweep = Sweep.objects.get()
    assert response["Location"] == sweep.get_absolute_url()
    assert (sweep.state, sweep.created_by) == ("running", factories.user("ada"))
    assert sweep.experiment.team == factories.team()


def test_a_running_sweep_shows_progress_and_best_value(ada: Client) -> None:
    sweep = running_sweep(started_at=timezone.now() - timedelta(seconds=60))
    text = page(ada, "/")
    assert sweep.label in text
    assert "<strong>3</strong> of 4 trials" in text
    for part in ("2 completed", "1 ended early", "1 running", "0.9000", "trial 1"):
        assert part in text
    assert "ends in about 10 s" in text


def test_the_best_of_a_minimized_metric_is_the_lowest(ada: Client) -> None:
    document = factories.definition_document(
        objective={"primary_metric": "loss", "goal": "minimize"}
    )
    sweep = factories.sweep(factories.team(), document=document)
    factories.trial(sweep, state="failed", value=0.1)
    for value in (0.5, 0.2, 0.4):
        factories.trial(sweep, state="completed", value=value)
    text = page(ada, "/")
    assert "0.2000" in text
    assert "0.1000" not in text


def test_slots_show_what_runs_in_them(ada: Client) -> None:
    sweep = running_sweep()
    text = page(ada, "/")
    assert f'title="{sweep.label}/3"' in text
    assert "1 of 2 busy" in text


def test_of_other_teams_only_the_name_shows_in_a_slot(ada: Client) -> None:
    running_sweep()
    secret = factories.team("Chemistry", carl="member")
    other = factories.sweep(
        secret, document=factories.definition_document(experiment_name="topsecret")
    )
    factories.claim(factories.trial(other), slot=1)
    text = page(ada, "/")
    assert "Chemistry" in text
    assert "topsecret" not in text


def test_a_silent_worker_is_shown_as_silent(ada: Client) -> None:
    running_sweep()
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=41))
    text = page(ada, "/")
    assert 'slot-silent">silent' in text
    assert "none ready" in text


def test_a_sweep_without_a_worker_needs_attention(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    factories.trial(sweep)
    Trial.objects.update(created_at=timezone.now() - timedelta(minutes=41))
    text = page(ada, "/")
    assert "has waited 41 m for a slot" in text
    assert "python manage.py worker --pool default" in text


def test_failed_and_paused_sweeps_need_attention(ada: Client) -> None:
    team = factories.team()
    factories.sweep(team, state="failed", reason="all_failed", message="Out of memory")
    factories.sweep(team, state="paused", reason="max_failed_trials")
    factories.sweep(
        team,
        state="failed",
        message="long ago",
        ended_at=timezone.now() - timedelta(days=30),
    )
    text = page(ada, "/")
    assert "ended: every trial failed" in text
    assert "Out of memory" in text
    assert "paused itself" in text
    assert "long ago" not in text


def test_hostile_names_are_text(ada: Client) -> None:
    running_sweep(name=HOSTILE)
    factories.sweep(factories.team(), state="failed", name=HOSTILE, message=HOSTILE)
    Experiment.objects.update(name=HOSTILE)
    text = page(ada, "/")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_other_teams_do_not_show(ada: Client) -> None:
    factories.sweep(factories.team("Chemistry"), name="not yours")
    assert "not yours" not in page(ada, "/")


def test_the_feed_is_silent_while_nothing_changes(ada: Client) -> None:
    running_sweep()
    since = ada.get("/home/feed.json").json()["since"]
    again = ada.get("/home/feed.json", {"since": since}).json()
    assert again == {"since": since, "final": False, "parts": {}}


def test_the_feed_sends_only_the_parts_that_changed(ada: Client) -> None:
    sweep = running_sweep()
    since = ada.get("/home/feed.json").json()["since"]
    factories.trial(sweep, state="completed", value=0.99, elapsed=5.0)
    parts = ada.get("/home/feed.json", {"since": since}).json()["parts"]
    assert "0.9900" in parts["running"]
    assert "recent" not in parts


def test_the_page_stands_where_its_feed_goes_on(ada: Client) -> None:
    running_sweep()
    text = page(ada, "/")
    since = text.split('data-since="')[1].split('"')[0]
    assert ada.get("/home/feed.json", {"since": since}).json()["parts"] == {}


@pytest.mark.parametrize("url", ["/", "/home/feed.json"])
def test_queries_do_not_grow_with_sweeps_and_trials(ada: Client, url: str) -> None:
    running_sweep()
    factories.sweep(factories.team(), state="failed")
    waiting = factories.sweep(factories.team())
    factories.trial(waiting)
    few = count_queries(ada, url)
    for _ in range(5):
        running_sweep()
        sweep = factories.sweep(factories.team(), state="completed")
        for _ in range(10):
            factories.trial(sweep, state="completed", value=0.5, elapsed=1.0)
        factories.sweep(factories.team(), state="failed")
    assert count_queries(ada, url) == few
    assert few < 40


def test_what_needs_attention_beyond_the_list_is_counted(ada: Client) -> None:
    for _ in range(10):
        factories.sweep(factories.team(), state="failed", reason="all_failed")
    text = page(ada, "/")
    assert text.count("ended: every trial failed") == 6
    assert ">and 4 more</a>" in text
    assert 'Needs attention</h2><span class="chip">10</span>' in text


def test_a_token_that_ends_soon_is_said(ada: Client) -> None:
    owner = factories.user("ada")
    running_sweep()
    for name, days in (("old", -1), ("ci", 3), ("new", 30)):
        end = timezone.now() + timedelta(days=days)
        factories.api_token(owner, name=name, expires_at=end)
    text = page(ada, "/")
    assert text.count("Your API token") == 1 and "Your API token ci ends on" in text


# --- a filter lists sweeps and runs of all experiments --------------------------------


def filled_team() -> None:
    """digits-1 with 0.5, texts-1 with 0.75, and the run svm, which is better."""
    team = factories.team()
    for name, best in (("digits", 0.5), ("texts", 0.75)):
        document = factories.definition_document(experiment_name=name)
        sweep = factories.sweep(team, state="completed", document=document)
        factories.trial(sweep, state="completed", value=best, elapsed=60.0)
    factories.report(factories.run(team, "svm"), [0.875])


def listed(client: Client, **query: str) -> list[str]:
    html = page(client, f"/?{urlencode(query)}")
    _, _, table = html.partition('id="entries-title"')
    return re.findall(r'class="value" href="/(?:runs|sweeps)/\d+/">([\w-]+)<', table)


def test_a_filter_lists_sweeps_and_runs_of_all_experiments(ada: Client) -> None:
    filled_team()
    secret = factories.team("Chemistry", carl="member")
    factories.sweep(secret, state="completed")
    assert listed(ada) == []
    assert listed(ada, q="kind = sweep") == ["texts-1", "digits-1"]
    assert listed(ada, q="value > 0.6 or kind = run") == ["svm", "texts-1"]
    assert listed(ada, q="experiment = texts") == ["texts-1"]
    assert listed(ada, q="text") == ["texts-1"]
    assert listed(ada, sort="-accuracy") == ["svm", "texts-1", "digits-1"]
    html = page(ada, "/?q=kind+%3D+run")
    assert "Recent sweeps" not in html and "Recent runs" not in html
    assert 'name="q" id="filter-q" value=""' in page(ada, "/")
    feed = ada.get("/home/feed.json", {"q": "kind = run"}).json()["parts"]
    assert "svm" in feed["recent"] and "texts-1" not in feed["recent"]


def test_a_filter_that_cannot_be_read_says_so_and_hides_nothing(ada: Client) -> None:
    filled_team()
    assert set(listed(ada, q="nothing > 1")) == {"svm", "texts-1", "digits-1"}
    assert "filter-row is-wrong" in page(ada, "/?q=nothing+%3E+1")


def test_the_filter_of_home_offers_what_the_team_has(ada: Client) -> None:
    filled_team()
    answer = ada.get("/home/complete.json", {"q": "accu", "at": 4}).json()
    assert "accuracy" in str(answer)
    found = ada.get("/home/complete.json", {"q": "kind = sweep"}).json()
    assert found["count"] == 2


def test_a_filtered_home_takes_the_same_queries_however_much_it_lists(
    ada: Client,
) -> None:
    filled_team()
    few = count_queries(ada, "/?sort=-accuracy")
    for number in range(3):
        name = f"more{number}"
        document = factories.definition_document(experiment_name=name)
        sweep = factories.sweep(factories.team(), state="completed", document=document)
        factories.trial(sweep, state="completed", value=0.5)
        trial = factories.run(factories.team(), "knn")
        Trial.objects.filter(pk=trial.pk).update(experiment=sweep.experiment)
        factories.report(trial, [0.5])
    assert len(listed(ada, sort="-accuracy")) == 9
    assert count_queries(ada, "/?sort=-accuracy") == few


def test_home_has_no_list_of_deleted_runs(ada: Client) -> None:
    filled_team()
    assert "Deleted runs" not in page(ada, "/?trash")
    assert listed(ada, archived="1") == []
    assert "Nothing is archived" in page(ada, "/?archived=1")
