"""A live site, and the real client of MLflow that calls it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.api import rate_limits
from experiments.mlflow import runs
from experiments.models import Team
from tests import factories

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
def tracking(
    live_server: Any, token: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The module ``mlflow`` with Ada's token, as in a notebook."""
    import mlflow
    from mlflow.tracking import fluent

    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    for name in UNSET:
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    mlflow.set_tracking_uri(live_server.url)
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
