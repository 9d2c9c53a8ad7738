"""Quick answers are those that Django would give, and fail as quietly as a view's."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments.api.quick_reports import QuickReports
from experiments.models import Team
from experiments.tracking import ingest
from tests import factories
from tests.site_client import SiteClient

OWN = {"Content-Length", "X-Request-ID"}
pytestmark = pytest.mark.django_db
BODY = {"points": [{"name": "loss", "step": 1, "value": 0.5}]}


class Reporter:
    """Reports to a running trial."""

    def __init__(self, team: Team) -> None:
        self.trial = factories.trial(factories.sweep(team))
        self._token = factories.claim(self.trial).trial_token.secret

    def __call__(self, client: Client, **headers: str) -> Any:
        return client.post(
            f"/api/v1/trials/{self.trial.pk}/metrics",
            BODY,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self._token}", **headers},
        )


@pytest.fixture
def report(team: Team) -> Reporter:
    return Reporter(team)


def test_it_has_the_headers_of_other_answers(report: Reporter) -> None:
    quick, usual = report(SiteClient()), report(Client())
    assert quick.resolver_match and quick.json() == usual.json()
    names = {name for name in usual.headers if name not in {"Vary", *OWN}}
    assert {name: quick[name] for name in names} == {n: usual[n] for n in names}
    assert set(quick.headers) == {*names, *OWN}


def test_plain_http_is_refused_where_the_site_has_https(
    report: Reporter, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    client = SiteClient()
    assert report(client).status_code == 403
    assert report(client, **{"X-Forwarded-Proto": "https"}).status_code == 200


def test_the_view_gets_the_whole_request_after_a_failure(
    report: Reporter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("experiments.api.quick_reports._reply_json", fails)
    assert report(SiteClient()).json()["stop"] is False
    assert "the disk is gone" in caplog.text
    assert report.trial.current_attempt.metrics.get().count == 1


def test_a_large_body_is_refused(report: Reporter, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert report(SiteClient()).status_code == 413


def test_only_reports_are_taken(report: Reporter, monkeypatch: Any) -> None:
    for path in ("/api/v1/trials/1", "/api/v1/trials/1/metrics/", "/login/"):
        assert QuickReports().view(path) is None
    monkeypatch.setattr(ingest, "write", None)
    path = f"/api/v1/trials/{report.trial.pk}/metrics"
    assert SiteClient().get(path).status_code in (401, 405)
