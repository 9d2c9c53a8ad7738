"""What a token allows: its end, its team, and who it says has used it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from experiments.models import ApiToken, Team
from tests import factories
from tests.api.conftest import Api


def test_an_ended_token_is_refused_and_says_so(team: Team) -> None:
    past = timezone.now() - timedelta(seconds=1)
    api = Api(factories.api_token(factories.user("ada"), expires_at=past))
    answer = api.get("/sweeps")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "token_ended"
    assert "This token ended on" in answer.json()["error"]["message"]


def test_a_token_of_one_team_reaches_no_other(team: Team) -> None:
    other = factories.team("Chemistry", ada="admin")
    own, foreign = factories.sweep(team), factories.sweep(other)
    api = Api(factories.api_token(factories.user("ada"), "admin", team=team))
    listed = api.get("/sweeps").json()["items"]
    assert [row["id"] for row in listed] == [own.pk]
    assert api.get(f"/sweeps/{foreign.pk}").status_code == 404
    assert api.post(f"/sweeps/{foreign.pk}/pause").status_code == 404
    body = factories.definition_document()
    assert api.post("/sweeps?team=chemistry", body).status_code == 404
    assert api.post("/sweeps", body).status_code == 201
    assert not other.experiments.exclude(pk=foreign.experiment_id).exists()


def test_an_administrators_token_of_one_team_reaches_no_other(team: Team) -> None:
    foreign = factories.sweep(factories.team("Chemistry"))
    root = factories.user("boss", is_superuser=True)
    for limit, status in ((None, 200), (team, 404)):
        api = Api(factories.api_token(root, team=limit))
        assert api.get(f"/sweeps/{foreign.pk}").status_code == status


def test_the_last_use_names_address_and_program(team: Team) -> None:
    api = Api(factories.api_token(factories.user("ada")))
    api.get("/sweeps", headers={"User-Agent": "mlflow/3 " + "x" * 200})
    token = ApiToken.objects.get()
    assert token.last_address == "127.0.0.1"
    assert (
        token.last_program.startswith("mlflow/3 x") and len(token.last_program) == 100
    )
