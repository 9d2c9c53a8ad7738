"""The policy simulator: what it says, who may use it, and what nonsense does to it."""

from __future__ import annotations

import html
import json
import re
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Event, Sweep, Trial
from experiments.pages.simulator.policy_words import kind_name, settings_words
from tests import factories
from tests.pages import clients
from tests.pages.clients import count_queries

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]
LEVELS = (0.5, 0.8, 0.9, 0.4, 0.3)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def sweep() -> Sweep:
    factories.team("Physics", ada="member", vera="viewer")
    return recorded_sweep()


def recorded_sweep(*, state: str = "completed", times: int = 1) -> Sweep:
    sweep = factories.sweep(factories.team())
    for level in LEVELS * times:
        factories.reported_trial(sweep, [level] * 6, state="completed")
    Sweep.objects.filter(pk=sweep.pk).update(state=state)
    sweep.refresh_from_db()
    return sweep


@pytest.fixture
def ada(client: Client, sweep: Sweep) -> Client:
    client.force_login(factories.user("ada"))
    return client


def url(sweep: Sweep, name: str = "simulator", **query: Any) -> str:
    return f"{reverse(name, args=(sweep.pk,))}?{urlencode(query, doseq=True)}"


def page(client: Client, sweep: Sweep, **query: Any) -> str:
    return clients.page(client, url(sweep, **query))


def feed(client: Client, sweep: Sweep, **query: Any) -> dict[str, Any]:
    answer = client.get(url(sweep, "simulator_feed", **query))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


MEDIAN = {"policy": "median_stopping", "delay_evaluation": 2}


def test_the_sentence_says_what_a_policy_ends_saves_and_keeps(
    ada: Client, sweep: Sweep
) -> None:
    text = page(ada, sweep, **MEDIAN)
    assert "Ends <strong>2 of 5 trials</strong>" in text
    assert "keeps the best" in text
    assert "The best trial that it would have ended ranked 4th." in text
    assert "5 complete curves of 6 reports, so the simulation is exact" in text


def test_the_sentence_names_a_lost_best(ada: Client, sweep: Sweep) -> None:
    text = "type: threshold\nupper: 0.85"
    said = page(ada, sweep, policy="yaml", text=text)
    assert "Ends <strong>1 of 5 trials</strong>" in said
    assert "ranked 1st" in said


def test_outcomes_are_side_by_side_with_what_happened(
    ada: Client, sweep: Sweep
) -> None:
    other = json.dumps({"type": "bandit", "slack_factor": 0.05})
    text = page(ada, sweep, **MEDIAN, **{"with": other})
    assert "What happened" in text and "no policy" in text
    assert "median stopping, from report 2" in text and "slack 0.05" in text
    assert "Ended early among the best 1" in text


def test_a_setting_is_kept_as_a_column_and_taken_out_again(
    ada: Client, sweep: Sweep
) -> None:
    text = page(ada, sweep, **MEDIAN, **{"with": ""})
    kept = text.partition("data-keep")[0].rpartition('href="')[2].partition('"')[0]
    text = ada.get(url(sweep).rstrip("?") + kept.replace("&amp;", "&")).content.decode()
    assert text.count("median stopping") >= 1
    changed = {**MEDIAN, "delay_evaluation": 3}
    column = json.dumps({"type": "median_stopping", "delay_evaluation": 2})
    text = page(ada, sweep, **changed, **{"with": column})
    assert "Remove Median stopping, from report 2" in text


def test_a_kept_setting_stays_a_column_while_it_is_entered_and_afterwards(
    ada: Client, sweep: Sweep
) -> None:
    column = {"type": "median_stopping", "delay_evaluation": 2}
    text = page(ada, sweep, **MEDIAN, **{"with": json.dumps(column)})
    sent = re.findall(r'<input type="hidden" name="with" value="([^"]*)"', text)
    (kept,) = (json.loads(html.unescape(each)) for each in sent)
    assert kept["type"] == "median_stopping" and kept["delay_evaluation"] == 2
    changed = {**MEDIAN, "delay_evaluation": 3, "with": json.dumps(kept)}
    assert "Remove Median stopping, from report 2" in page(ada, sweep, **changed)


def test_the_first_look_has_settings_made_for_the_sweep(
    ada: Client, sweep: Sweep
) -> None:
    text = page(ada, sweep)
    assert 'value="median_stopping" checked' in text or "checked" in text
    assert text.count("simulator-remove") == 3


def test_the_sweep_s_own_policy_comes_first(ada: Client, sweep: Sweep) -> None:
    Sweep.objects.filter(pk=sweep.pk).update(
        early_termination={"type": "bandit", "slack_factor": 0.5}
    )
    text = page(ada, sweep)
    assert 'value="bandit" checked' in text and 'value="0.5"' in text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"policy": "bandit", "slack_factor": "lots"}, "slack_factor"),
        ({"policy": "median_stopping", "delay_evaluation": "-3"}, "delay_evaluation"),
        ({"policy": "nonsense"}, "nonsense"),
        ({"policy": "yaml", "text": "type: [bandit"}, "flow sequence"),
        ({"policy": "yaml", "text": ""}, "mapping"),
        ({"policy": "yaml", "text": "type: any_of\npolicies: []"}, "2 to 8 policies"),
        ({"policy": "yaml", "text": "- 1"}, "mapping"),
    ],
)
def test_nonsense_gets_a_sentence_and_stays_where_it_was_entered(
    ada: Client, sweep: Sweep, query: dict[str, str], sentence: str
) -> None:
    text = page(ada, sweep, **query)
    wrong = text.split("field-error")[1:]
    assert any(sentence in part.partition("</p>")[0] for part in wrong)
    entered = [value for name, value in query.items() if name != "policy" and value]
    for value in entered:
        assert value in text
    assert not feed(ada, sweep, **query)["right"]


@pytest.mark.parametrize("text", ["[1", "null", "{}", '{"type": 3}', "[" * 5000])
def test_columns_that_are_no_policies_are_left_out(
    ada: Client, sweep: Sweep, text: str
) -> None:
    assert "simulator-remove" not in page(ada, sweep, **MEDIAN, **{"with": text})


def test_what_people_entered_is_escaped(ada: Client, sweep: Sweep) -> None:
    for query in (
        {"policy": "bandit", "slack_factor": HOSTILE},
        {"policy": "yaml", "text": HOSTILE},
        {"policy": HOSTILE},
    ):
        assert HOSTILE not in page(ada, sweep, **query)


def test_a_box_that_is_not_ticked_is_off_once_the_form_was_sent(
    ada: Client, sweep: Sweep
) -> None:
    kind = "truncation_selection"
    query = {"policy": kind, "truncation_percentage": 20}
    ticked = page(ada, sweep, **query, exclude_finished_jobs="on", sent=kind)
    assert 'name="exclude_finished_jobs" checked' in ticked
    text = page(ada, sweep, **query, sent=kind)
    assert 'name="exclude_finished_jobs">' in text


def test_rungs_do_not_take_over_the_schedule_of_another_kind(
    ada: Client, sweep: Sweep
) -> None:
    query = {"policy": "asha", "delay_evaluation": 5}
    chosen = page(ada, sweep, **query, sent="median_stopping")
    assert 'name="delay_evaluation" value="0"' in chosen
    meant = page(ada, sweep, **query, sent="asha")
    assert 'name="delay_evaluation" value="5"' in meant
    bandit = page(ada, sweep, **{**query, "policy": "bandit"}, sent="median_stopping")
    assert 'name="delay_evaluation" value="5"' in bandit


def test_the_feed_has_the_same_parts_as_the_page(ada: Client, sweep: Sweep) -> None:
    answer = feed(ada, sweep, **MEDIAN, form=1)
    assert answer["final"] and answer["right"] and not answer["reading"]
    assert answer["parts"]["answer"].strip() in page(ada, sweep, **MEDIAN)
    assert "settings" in answer["parts"]
    assert "settings" not in feed(ada, sweep, **MEDIAN)["parts"]


def drawn(client: Client, sweep: Sweep, **query: Any) -> dict[str, Any]:
    """The chart's model, asked for until it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = client.get(url(sweep, "simulator_trade_off", **query)).json()
        if answer["final"]:
            model: dict[str, Any] = answer["model"]
            return model
    raise AssertionError("no trade-off within a minute")


def test_the_trade_off_has_a_line_for_every_policy_with_the_entered_one_first(
    ada: Client, sweep: Sweep
) -> None:
    model = drawn(ada, sweep, **MEDIAN)
    own, *others = model["families"]
    assert own["own"] and own["name"] == "Median stopping"
    assert sum(point["current"] for point in own["points"]) == 1
    assert not any(family["own"] for family in others) and len(others) >= 2
    assert "shuffled order" in model["note"]


def test_another_setting_can_be_varied(ada: Client, sweep: Sweep) -> None:
    model = drawn(ada, sweep, **MEDIAN, vary="evaluation_interval")
    assert model["families"][0]["field"] == "evaluation interval"


def test_who_would_have_been_ended_is_listed_with_report_and_time(
    ada: Client, sweep: Sweep
) -> None:
    ended = feed(ada, sweep, **MEDIAN)["parts"]["ended"]
    trial = Trial.objects.get(sweep=sweep, number=3)
    assert reverse("trial_detail", args=(trial.pk,)) in ended
    assert "2 / 6" in ended
    assert "2 of 5 trials would have been ended, half of them by report 2." in ended


def test_money_and_gpu_time_are_shown_if_there_are_any(ada: Client) -> None:
    sweep = recorded_sweep()
    definition = {**sweep.definition, "resources": {"gpus": 2}}
    Sweep.objects.filter(pk=sweep.pk).update(definition=definition)
    assert "Money saved" not in page(ada, sweep, **MEDIAN)
    sweep.pool.price_per_hour = 3
    sweep.pool.save()
    text = page(ada, sweep, **MEDIAN)
    assert "GPU time saved" in text and "Money saved" in text


def test_curves_that_really_ended_early_are_mentioned(ada: Client) -> None:
    sweep = factories.sweep(
        factories.team(),
        document=factories.definition_document(
            early_termination={"type": "median_stopping", "delay_evaluation": 2}
        ),
    )
    for level in (0.8, 0.9):
        factories.reported_trial(sweep, [level] * 6, state="completed")
    factories.reported_trial(sweep, [0.2, 0.2], state="terminated")
    text = page(ada, sweep)
    assert "2 complete curves in 3 trials" in text
    assert "1 trial was really ended early. If a policy would let" in text


def test_a_sweep_without_reports_says_what_will_be_here(ada: Client) -> None:
    sweep = factories.sweep(factories.team())
    assert "Nothing to simulate yet" in page(ada, sweep)
    assert feed(ada, sweep)["final"]


def test_the_number_of_queries_does_not_depend_on_the_sweep(
    ada: Client, sweep: Sweep
) -> None:
    def queries(of: Sweep) -> int:
        return count_queries(ada, url(of, **MEDIAN))

    queries(sweep)
    first, second = queries(recorded_sweep()), queries(recorded_sweep(times=4))
    assert first == second <= 16


def test_a_viewer_may_simulate_but_not_apply(client: Client, sweep: Sweep) -> None:
    live = recorded_sweep(state="running")
    client.force_login(factories.user("vera"))
    text = page(client, sweep, **MEDIAN)
    assert "Ends <strong>" in text
    assert "Apply to" not in text and "Use in a new sweep" not in text
    answer = client.post(
        reverse("simulator_apply", args=(sweep.pk,)),
        {"target": live.pk, "policy": '{"type": "median_stopping"}'},
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["simulator", "simulator_feed", "simulator_trade_off"])
def test_other_teams_and_visitors_see_nothing(
    client: Client, sweep: Sweep, name: str
) -> None:
    assert client.get(url(sweep, name)).status_code == 302
    factories.team("Chemistry", eve="admin")
    client.force_login(factories.user("eve"))
    assert client.get(url(sweep, name)).status_code == 404


def applied(client: Client, sweep: Sweep, target: Any, policy: str) -> Any:
    return client.post(
        reverse("simulator_apply", args=(sweep.pk,)),
        {"target": target, "policy": policy, "back": "policy=median_stopping"},
        follow=True,
    )


def test_one_click_applies_a_setting_to_a_sweep_that_runs(
    ada: Client, sweep: Sweep
) -> None:
    live = recorded_sweep(state="running")
    assert f"Apply to {live}, running" in page(ada, sweep, **MEDIAN)
    policy = '{"type": "median_stopping", "delay_evaluation": 2}'
    text = applied(ada, sweep, live.pk, policy).content.decode()
    assert "is judged by median stopping from report 2 on" in text
    assert "before: no early termination" in text
    live.refresh_from_db()
    assert live.early_termination["delay_evaluation"] == 2
    assert Event.objects.filter(sweep=live, verb="sweep changed").exists()


def test_a_sweep_that_has_ended_is_not_offered_and_keeps_its_policy(
    ada: Client, sweep: Sweep
) -> None:
    assert "Apply to" not in page(ada, sweep, **MEDIAN)
    text = applied(ada, sweep, sweep.pk, '{"type": "median_stopping"}').content.decode()
    assert "did not change" in text and "Ends <strong>" in text
    sweep.refresh_from_db()
    assert sweep.early_termination is None


@pytest.mark.parametrize("policy", ["{", "3", '{"type": "x"}', "[" * 5000])
def test_applying_an_invalid_policy_changes_nothing(
    ada: Client, sweep: Sweep, policy: str
) -> None:
    live = recorded_sweep(state="running")
    text = applied(ada, sweep, live.pk, policy).content.decode()
    assert "did not change" in text
    live.refresh_from_db()
    assert live.early_termination is None


@pytest.mark.parametrize("target", ["", "x", "9" * 30, "999999"])
def test_applying_to_no_sweep_is_a_404(ada: Client, sweep: Sweep, target: str) -> None:
    assert applied(ada, sweep, target, "null").status_code == 404


def test_a_new_sweep_begins_with_the_setting(ada: Client, sweep: Sweep) -> None:
    text = page(ada, sweep, **MEDIAN)
    href = text.partition("Use in a new sweep")[0].rpartition('href="')[2]
    text = ada.get(href.partition('"')[0].replace("&amp;", "&")).content.decode()
    assert "Copied from" in text
    assert 'name="delay_evaluation" value="2"' in text


@pytest.mark.parametrize("policy", ["{", "3", '{"type": "x"}'])
def test_a_new_sweep_with_no_policy_in_the_address_is_a_404(
    ada: Client, sweep: Sweep, policy: str
) -> None:
    query = urlencode({"clone": sweep.pk, "early_termination": policy})
    assert ada.get(f"{reverse('sweep_create')}?{query}").status_code == 404


def test_the_sweep_s_page_leads_here(ada: Client, sweep: Sweep) -> None:
    text = ada.get(sweep.get_absolute_url()).content.decode()
    assert reverse("simulator", args=(sweep.pk,)) in text


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (
            {"type": "bandit", "slack_factor": 0.1, "slack_amount": 0},
            "Bandit, slack 0.1",
        ),
        (
            {"type": "median_stopping", "delay_evaluation": 5, "min_rivals": 1},
            "Median stopping, from report 5",
        ),
        (
            {"type": "truncation_selection", "truncation_percentage": 20},
            "Truncation, worst 20 %",
        ),
        ({"type": "asha", "reduction_factor": 3}, "ASHA, one in 3 continues"),
        (
            {"type": "any_of", "policies": [{"type": "bandit"}, {"type": "patience"}]},
            "Any of several, bandit and patience",
        ),
        ({"type": "unheard_of", "charm": 0.5}, "Unheard of, charm 0.5"),
    ],
)
def test_policies_are_described_in_few_words(policy: dict[str, Any], name: str) -> None:
    words = f"{kind_name(policy['type'])}, {settings_words(policy)}"
    assert words == name
