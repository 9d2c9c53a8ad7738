"""Too many requests get a 429 with the time to wait, and hold nobody else up."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.models import Team
from tests import factories
from tests.api.conftest import Api

# At one request a second; a slow machine allows some more.
ENOUGH = 60


@pytest.fixture
def slow(settings: Any) -> None:
    settings.USER_REQUESTS_PER_SECOND = 1
    settings.API_FAILURES_PER_SECOND = 1
    settings.WORKER_REQUESTS_PER_SECOND = 1


def refused(call: Any) -> Any:
    """The first answer that is a 429."""
    answers = [call() for _ in range(20)]
    assert 429 not in [answer.status_code for answer in answers]
    more = (call() for _ in range(ENOUGH))
    answer = next(answer for answer in more if answer.status_code == 429)
    assert answer.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(answer["Retry-After"]) <= 20
    return answer


def test_a_person_may_send_so_many_a_second_with_all_tokens(
    api: Api, slow: None
) -> None:
    other = Api(factories.api_token(factories.user("ada")))
    answer = refused(lambda: api.get("/sweeps"))
    assert "who may send 1 a second" in answer.json()["error"]["message"]
    assert other.get("/sweeps").status_code == 429
    assert Api(factories.api_token(factories.user("vera"))).get("/sweeps")


def test_a_trial_may_send_so_many_a_second(team: Team, slow: None) -> None:
    trial = factories.trial(factories.sweep(team))
    script = Api(factories.claim(trial).trial_token.secret)
    refused(lambda: script.post(f"/trials/{trial.pk}/metrics", {"points": []}))


def test_wrong_tokens_hold_no_right_one_up(api: Api, team: Team, slow: None) -> None:
    """Also none that comes for the first time, as those of new trials do."""
    answer = refused(lambda: Api("swp_wrong").get("/sweeps"))
    assert "wrong token from your address" in answer.json()["error"]["message"]
    assert Api("swp_other").get("/sweeps").status_code == 429
    assert api.get("/sweeps").status_code == 200
    trial = factories.trial(factories.sweep(team))
    script = Api(factories.claim(trial).trial_token.secret)
    path = f"/trials/{trial.pk}/metrics"
    assert script.post(path, {"points": []}).status_code == 200
    wrong = (Api("trl_wrong").post(path, {"points": []}) for _ in range(ENOUGH))
    assert 429 in (answer.status_code for answer in wrong)
