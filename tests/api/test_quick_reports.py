"""The quick way for reports answers as the API's own view does."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.api import quick_reports
from experiments.models import Team, Trial
from experiments.tracking import ingest
from tests import factories
from tests.site_client import SiteClient

pytestmark = pytest.mark.django_db

BODIES: list[Any] = [
    {"points": []},
    {"points": [{"name": "accuracy", "step": 0, "value": 0.5, "time": 1e9 + 0.1}]},
    {"points": [{"name": "größe \U0001f600", "step": -5, "value": "NaN"}]},
    {"points": [{"name": "a", "step": 1, "value": v} for v in (1, "Infinity", 2**70)]},
    {"points": [{"name": "a\x00", "step": 0, "value": 1}]},
    {"points": [{"name": "a\ud800", "step": 0, "value": 1}]},
    {"points": [{"name": "a", "step": "5", "value": 1}]},
    {"points": [{"name": "a", "step": 0, "value": None}]},
    {"points": [{"name": "a", "step": 0, "value": 1, "time": "now"}], "more": 1},
    {"points": [{"name": "a", "step": 0, "value": 1}], "batch": "k" * 65},
    {"points": [{"name": "a", "step": 0, "value": 1}] * 1001},
    {"points": "none"},
    [],
]


def answer(trial: Trial, secret: str, body: Any, **headers: str) -> Any:
    return SiteClient().post(
        f"/api/v1/trials/{trial.pk}/metrics",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", **headers},
    )


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_the_answer_and_the_rows_are_the_same(
    team: Team, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = factories.sweep(team)
    found = []
    for quick in (True, False):
        if not quick:
            monkeypatch.setattr(
                quick_reports.QuickReports, "_answer", lambda *_, **__: None
            )
        trial = factories.trial(sweep)
        secret = factories.claim(trial).trial_token.secret
        response = answer(trial, secret, body)
        metrics = trial.current_attempt.metrics.order_by("name")
        rows = metrics.values_list("name", "count", "last_step", "last_value", "low")
        lengths = {"Vary", "Content-Length", "X-Request-ID"}
        headers = {n: v for n, v in response.headers.items() if n not in lengths}
        found.append((response.status_code, response.json(), headers, list(rows)))
    assert found[0] == found[1]


def test_what_is_plain_never_gets_to_the_view(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = factories.trial(factories.sweep(team))
    secret = factories.claim(trial).trial_token.secret
    monkeypatch.setattr(ingest, "record", None)
    for body in BODIES[:2]:
        assert answer(trial, secret, body).status_code == 200


def test_a_host_that_is_not_ours_is_refused(team: Team, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["sweeps.example.org"]
    trial = factories.trial(factories.sweep(team))
    secret = factories.claim(trial).trial_token.secret
    body = BODIES[1]
    assert answer(trial, secret, body, Host="evil.example").status_code == 400
    assert answer(trial, secret, body, Host="sweeps.example.org").status_code == 200


def test_another_trials_token_is_refused(team: Team) -> None:
    sweep = factories.sweep(team)
    trials = [factories.trial(sweep) for _ in range(2)]
    secrets = [factories.claim(trial).trial_token.secret for trial in trials]
    assert answer(trials[0], secrets[0], BODIES[1]).status_code == 200
    assert answer(trials[0], secrets[1], BODIES[1]).status_code == 401


def test_a_token_that_changed_is_refused(team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    secret = factories.claim(trial).trial_token.secret
    assert answer(trial, secret, BODIES[1]).status_code == 200
    trial.attempts.update(trial_token_digest="another")
    assert answer(trial, secret, BODIES[1]).status_code == 401


def test_a_program_that_reports_too_much_is_told_to_wait(
    team: Team, settings: Any
) -> None:
    settings.WORKER_REQUESTS_PER_SECOND = 0.1
    trial = factories.trial(factories.sweep(team))
    secret = factories.claim(trial).trial_token.secret
    codes = {answer(trial, secret, BODIES[1]).status_code for _ in range(4)}
    assert codes == {200, 429}


def test_lists_in_lists_are_no_report(team: Team) -> None:
    claim = factories.claim(factories.trial(factories.sweep(team)))
    for token, path in (
        (claim.trial_token, f"v1/trials/{claim.attempt.trial_id}"),
        (claim.runner_token, f"worker/v1/attempts/{claim.attempt.pk}"),
    ):
        found = SiteClient(raise_request_exception=False).post(
            f"/api/{path}/metrics",
            '{"points": [], "x": ' + "[" * 100_000,
            content_type="application/json",
            headers={"Authorization": f"Bearer {token.secret}"},
        )
        assert 400 <= found.status_code < 500, found.content
