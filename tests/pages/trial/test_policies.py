"""The page of one trial as its policy makes it, and running it again to its end."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments import lifecycle
from experiments.models import Attempt, Trial
from experiments.sweeps.requests import waiting_requests
from tests import factories
from tests.pages.clients import model, page
from tests.pages.trial.trial_pages import judged_trial

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]


def again_url(trial: Trial) -> str:
    return f"/trials/{trial.pk}/again/"


def test_a_trial_that_was_ended_early_can_run_again_to_its_end(ada: Client) -> None:
    trial = judged_trial()
    assert "Rerun without early termination" in page(ada, trial.get_absolute_url())
    response = ada.post(again_url(trial), {"to_end": "on"}, follow=True)
    sentence = "Trial 3 will run again, without early termination"
    assert sentence in response.content.decode()
    assert trial.sweep is not None
    (asked,) = waiting_requests(trial.sweep)
    assert asked.origin_text == "re-run of 3, to its end"
    assert "Rerun without early termination" not in page(ada, trial.get_absolute_url())
    twice = ada.post(again_url(trial), {"to_end": "on"}, follow=True).content.decode()
    assert "already waits to run again" in twice
    assert waiting_requests(trial.sweep).count() == 1


def test_the_rerun_and_its_original_lead_to_each_other(ada: Client) -> None:
    trial = judged_trial()
    assert trial.sweep is not None
    source = {"origin": "rerun", "source_number": trial.number, "runs_to_end": True}
    again = factories.reported_trial(trial.sweep, [0.3, 0.6, 0.9], **source)
    running = page(ada, again.get_absolute_url())
    assert "No policy ends it early: it repeats trial 3." in running
    assert (
        "Trial 3 run again, with the same values and without early termination"
        in running
    )
    first = page(ada, trial.get_absolute_url())
    assert "It runs again without early termination, as <a href=" in first
    assert "Rerun without early termination" not in first
    lifecycle.finish_attempt(
        Attempt.objects.get(trial=again), lifecycle.Outcome(cause="exited", exit_code=0)
    )
    assert "it reached 0.9000." in page(ada, trial.get_absolute_url())


def test_running_it_again_asks_whether_to_its_end(ada: Client) -> None:
    trial = judged_trial()
    assert trial.sweep is not None
    url = trial.get_absolute_url()
    assert f'href="{again_url(trial)}"' in page(ada, url)
    asked = page(ada, again_url(trial))
    assert "Run trial 3 of digits-1 again?" in asked
    assert f'action="{again_url(trial)}"' in asked and f'href="{url}">Back' in asked
    assert 'name="to_end"' in asked
    done = ada.post(again_url(trial), follow=True)
    assert done.redirect_chain == [(url, 302)]
    assert [asked.origin_text for asked in waiting_requests(trial.sweep)] == [
        "re-run of 3"
    ]
    assert "Nothing to run again" in page(ada, again_url(trial))


def test_only_members_run_a_trial_again(client: Client) -> None:
    factories.team("Physics", vera="viewer", ada="member")
    trial = judged_trial()
    client.force_login(factories.user("vera"))
    assert "Rerun without early termination" not in page(
        client, trial.get_absolute_url()
    )
    assert client.get(again_url(trial)).status_code == 403
    assert client.post(again_url(trial)).status_code == 403
    factories.team("Chemistry", otto="member")
    client.force_login(factories.user("otto"))
    assert client.post(again_url(trial)).status_code == 404
    client.logout()
    assert client.post(again_url(trial)).status_code == 302
    client.force_login(factories.user("ada"))
    assert client.get(again_url(trial)).status_code == 200
    run = Trial.objects.create(experiment=trial.experiment, number=1)
    assert client.post(again_url(run)).status_code == 404
    assert trial.sweep is not None and not waiting_requests(trial.sweep)


def test_what_ended_otherwise_has_no_such_button(ada: Client) -> None:
    trial = judged_trial()
    for fields in (
        {"state": "completed", "reason": ""},
        {"state": "cancelled", "reason": "user"},
    ):
        Trial.objects.filter(pk=trial.pk).update(**fields)
        html = page(ada, trial.get_absolute_url())
        assert "Rerun without early termination" not in html


def test_the_page_leads_to_the_simulator_of_its_sweep(ada: Client) -> None:
    trial = judged_trial()
    link = f'<a href="/sweeps/{trial.sweep_id}/simulator/">Simulate other settings'
    assert link in page(ada, trial.get_absolute_url())


@pytest.mark.parametrize(
    ("policy", "line", "words"),
    [
        (
            {"type": "bandit", "slack_amount": 0.9},
            "threshold",
            "up to each report, as of",
        ),
        ({"type": "patience", "patience": 1}, "to beat", "which do not count here"),
        ({"type": "predictive"}, "best of all", "has to beat"),
        ({"type": "predictive_halving"}, "to beat", "what the last rung requires"),
        (
            {"type": "wandb_hyperband", "min_iter": 1},
            "threshold",
            "what the last band requires",
        ),
        (None, "threshold", "best values of the others"),
    ],
)
def test_the_lines_are_those_that_the_policy_goes_by(
    ada: Client, policy: dict[str, object] | None, line: str, words: str
) -> None:
    document = factories.definition_document(early_termination=policy)
    sweep = factories.sweep(factories.team("Physics"), document=document)
    factories.reported_trial(sweep, [0.2, 0.9], state="completed")
    trial = factories.reported_trial(sweep, [0.3, 0.6])
    html = page(ada, trial.get_absolute_url())
    assert words in html
    own = "own value" if policy and policy["type"] == "wandb_hyperband" else "own best"
    assert (f'<th class="num">{own}</th>' in html) is (policy is not None)
    curve = model(html, "curve-model")
    assert curve["lineName"] == line
    assert curve["rivals"] == [[[1, 0.2], [2, 0.9]]]


def test_of_the_best_the_page_says_that_it_is_kept_without_a_line(ada: Client) -> None:
    document = factories.definition_document(early_termination={"type": "predictive"})
    sweep = factories.sweep(factories.team("Physics"), document=document)
    for k in range(4):
        early = [0.1, 0.5, 0.6, 0.6 + k / 100]
        factories.reported_trial(sweep, early, state="completed")
    trial = factories.reported_trial(sweep, [0.5, 0.7, 0.9])
    html = page(ada, trial.get_absolute_url())
    kept = "it is among the best 30% at this report, which are always kept."
    assert f"There is no line to beat: {kept}" in html
    assert f"“\u2013”: nothing is compared, because {kept}" in html
    assert "which it has to beat" not in html
    assert trial.sweep is not None
    assert kept.rstrip(".") in page(ada, trial.sweep.get_absolute_url())


def test_a_value_to_be_reached_is_a_line_all_along(ada: Client) -> None:
    policy = {"type": "threshold", "value": 0.7, "by_report": 3}
    document = factories.definition_document(early_termination=policy)
    sweep = factories.sweep(factories.team("Physics"), document=document)
    trial = factories.reported_trial(sweep, [0.3, 0.6])
    curve = model(page(ada, trial.get_absolute_url()), "curve-model")
    assert curve["threshold"] == [[1, 0.7], [2, 0.7]]


def test_a_prediction_s_numbers_have_columns_of_their_own(ada: Client) -> None:
    document = factories.definition_document(early_termination={"type": "predictive"})
    sweep = factories.sweep(factories.team("Physics"), document=document)
    for k in range(4):
        rising = [0.1, 0.5, 0.7, 0.8 + k / 100]
        factories.reported_trial(sweep, rising, state="completed")
    trial = factories.reported_trial(sweep, [0.05, 0.1, 0.11])
    html = page(ada, trial.get_absolute_url())
    for name in ("best of all", "gain needed", "chance"):
        assert f">{name}</th>" in html
    assert ">margin</th>" not in html
