"""POST /sweeps/{id}/{start,pause,resume,cancel} and POST /trials/{id}/cancel."""

from __future__ import annotations

import pytest

from experiments.models import Event, Team
from tests import factories
from tests.api.conftest import Api

WAYS = [
    ("draft", "start", "running"),
    ("running", "start", "running"),
    ("running", "pause", "paused"),
    ("paused", "pause", "paused"),
    ("paused", "resume", "running"),
    ("running", "resume", "running"),
    ("draft", "cancel", "cancelled"),
    ("running", "cancel", "cancelled"),
    ("paused", "cancel", "cancelled"),
    ("cancelled", "cancel", "cancelled"),
]
NO_WAYS = [
    ("paused", "start"),
    ("completed", "start"),
    ("draft", "pause"),
    ("completed", "pause"),
    ("draft", "resume"),
    ("failed", "resume"),
    ("completed", "cancel"),
    ("failed", "cancel"),
]


@pytest.mark.parametrize(("state", "action", "then"), WAYS)
def test_an_action_leads_there_and_again_changes_nothing(
    api: Api, team: Team, state: str, action: str, then: str
) -> None:
    sweep = factories.sweep(team, state=state)
    for _ in range(2):
        answer = api.post(f"/sweeps/{sweep.pk}/{action}")
        assert answer.status_code == 200
        assert answer.json()["state"] == then
    moved = Event.objects.filter(sweep=sweep).exclude(verb="sweep created")
    assert moved.count() == (0 if state == then else 1)


@pytest.mark.parametrize(("state", "action"), NO_WAYS)
def test_an_impossible_action_is_refused_with_a_sentence(
    api: Api, team: Team, state: str, action: str
) -> None:
    sweep = factories.sweep(team, state=state)
    answer = api.post(f"/sweeps/{sweep.pk}/{action}")
    assert answer.status_code == 409
    assert state in answer.json()["error"]["message"]
    sweep.refresh_from_db()
    assert sweep.state == state


def test_cancelling_a_sweep_stops_its_trials(api: Api, team: Team) -> None:
    sweep = factories.sweep(team)
    waiting, running = factories.trial(sweep), factories.trial(sweep)
    factories.claim(running)
    api.post(f"/sweeps/{sweep.pk}/cancel")
    waiting.refresh_from_db()
    assert waiting.state == "cancelled"
    assert api.get(f"/trials/{running.pk}").json()["stopping"] is True


def test_cancelling_a_trial_asks_it_to_stop(api: Api, team: Team) -> None:
    trial = factories.reported_trial(factories.sweep(team), [0.1])
    for _ in range(2):
        answer = api.post(f"/trials/{trial.pk}/cancel")
        assert answer.status_code == 200
        assert answer.json()["stopping"] is True
        assert answer.json()["stop_reason"] == "user"
    assert factories.report(trial, [0.2], first_step=1).stop


def test_a_waiting_trial_is_cancelled_at_once(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    answer = api.post(f"/trials/{trial.pk}/cancel")
    assert answer.json()["state"] == "cancelled"
    assert api.post(f"/trials/{trial.pk}/cancel").status_code == 200


@pytest.mark.parametrize("state", ["completed", "terminated", "failed"])
def test_an_ended_trial_cannot_be_cancelled(api: Api, team: Team, state: str) -> None:
    trial = factories.trial(factories.sweep(team), state=state, value=0.1)
    answer = api.post(f"/trials/{trial.pk}/cancel")
    assert answer.status_code == 409
    assert state in answer.json()["error"]["message"]
