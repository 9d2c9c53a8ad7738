"""A live site, and the real client of MLflow that calls it."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.api import rate_limits
from experiments.lifecycle import Claim
from experiments.mlflow import runs
from experiments.models import Team
from tests import factories
from tests.site_client import SiteClient


class Mlflow:
    """Requests without a client: what it answers, as JSON."""

    def __init__(self, token: str | None) -> None:
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = SiteClient(raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        path = path if path.startswith("/") else f"/api/2.0/mlflow/{path}"
        if not isinstance(body, str | bytes):
            body = "" if body is None else json.dumps(body)
        return self._client.generic(
            method,
            path,
            body,
            content_type="application/json",
            headers={**self._headers, **options.pop("headers", {})},
            **options,
        )

    def get(self, path: str, **options: Any) -> Any:
        return self("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self("POST", path, body, **options)

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = self(method, path, body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def run(self, **fields: Any) -> str:
        """A new run's id."""
        made = self.ok("POST", "runs/create", fields)
        return str(made["run"]["info"]["run_id"])

    def experiment(self, name: str = "digits") -> str:
        made = self.ok("POST", "experiments/create", {"name": name})
        return str(made["experiment_id"])


UNSET = ("RUN_ID", "EXPERIMENT_ID", "EXPERIMENT_NAME", "TRACKING_USERNAME")


@pytest.fixture(autouse=True)
def _site(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    rate_limits.requests.clear()
    rate_limits.failures.clear()
    runs.recent = runs.RecentRuns()


@pytest.fixture
def team(db: None) -> Team:
    return factories.team("Physics", ada="member", vera="viewer")


@pytest.fixture
def token(team: Team) -> str:
    """Ada's; she is a member of Physics."""
    return factories.api_token(factories.user("ada"))


@pytest.fixture
def site(token: str) -> Mlflow:
    return Mlflow(token)


@pytest.fixture
def claim(team: Team) -> Claim:
    """A trial of a sweep that a worker runs, with its token."""
    sweep = factories.sweep(team, user=factories.user("ada"))
    return factories.claim(factories.trial(sweep))


@pytest.fixture
def trial_site(claim: Claim) -> Mlflow:
    return Mlflow(claim.trial_token.secret)


@pytest.fixture
def tracking(
    live_server: Any, token: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The module ``mlflow`` with Ada's token, as in a notebook."""
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.tracking._tracking_service import utils
    from mlflow.utils import request_utils

    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    for name in UNSET:
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    mlflow.set_tracking_uri(live_server.url)
    # By a run's id, which another test's site may have given as well.
    utils._artifact_repos_cache.clear()
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    # Its connections end before the site does.
    request_utils._cached_get_request_session.cache_clear()
    gc.collect()
