"""Who gets what: every route of the API against every kind of caller."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction

from experiments import lifecycle, storage
from experiments.api.native import api as native_api
from experiments.models import Artifact, Sweep, SweepTemplate, Team, TrialRequest
from tests import factories
from tests.api.conftest import Api

OK = range(200, 300)
UNKNOWN = range(401, 402)
FORBIDDEN = range(403, 404)
MISSING = range(404, 405)
# The state of the object may speak against it, but not the caller's rights.
ALLOWED = (*OK, 409)

CALLERS = ("nobody", "viewer", "reading member", "member", "admin", "stranger")
TOKENS = (
    *("own trial", "other trial", "own run", "other run"),
    *("worker", "runner", "revoked", "inactive"),
)

READ = dict.fromkeys(("viewer", "reading member", "member", "admin"), ALLOWED)
READ["stranger"] = MISSING
WRITE: dict[str, Any] = {
    "viewer": FORBIDDEN,
    "reading member": FORBIDDEN,
    "member": ALLOWED,
    "admin": ALLOWED,
    "stranger": MISSING,
}
CREATE = {**WRITE}
ANYBODY: dict[str, Any] = {**READ, "stranger": ALLOWED}
OWN: dict[str, Any] = {"own trial": ALLOWED}
OWN_RUN: dict[str, Any] = {"own run": ALLOWED}

ROUTES: Mapping[str, Mapping[str, Any]] = {
    "POST /sweeps": CREATE,
    "POST /sweeps/check": ANYBODY,
    "GET /sweeps": ANYBODY,
    "GET /sweeps/{sweep_id}": READ,
    "PATCH /sweeps/{sweep_id}": WRITE,
    "GET /sweeps/{sweep_id}/best": READ,
    "GET /sweeps/{sweep_id}/best/outputs": READ,
    "GET /sweeps/{sweep_id}/trials": READ,
    "POST /sweeps/{sweep_id}/again": WRITE,
    "POST /sweeps/{sweep_id}/ask": WRITE,
    "POST /sweeps/{sweep_id}/extend": WRITE,
    "GET /sweeps/{sweep_id}/failures": READ,
    "POST /sweeps/{sweep_id}/backfill": WRITE,
    "GET /sweeps/{sweep_id}/preflight": READ,
    "POST /sweeps/{sweep_id}/preflight": WRITE,
    "POST /sweeps/{sweep_id}/simulations": READ,
    "POST /sweeps/{sweep_id}/trials": WRITE,
    "GET /sweeps/{sweep_id}/requests": READ,
    "DELETE /sweeps/{sweep_id}/requests/{request_id}": WRITE,
    "POST /sweeps/{sweep_id}/start": WRITE,
    "POST /sweeps/{sweep_id}/warm-start": WRITE,
    "POST /sweeps/{sweep_id}/pause": WRITE,
    "POST /sweeps/{sweep_id}/resume": WRITE,
    "POST /sweeps/{sweep_id}/cancel": WRITE,
    "GET /trials/{trial_id}": READ | OWN,
    "GET /trials/{trial_id}/metrics": READ | OWN,
    "POST /trials/{trial_id}/metrics": WRITE | OWN,
    "POST /trials/{trial_id}/finish": WRITE | OWN,
    "POST /trials/{trial_id}/heartbeat": WRITE | OWN,
    "POST /trials/{trial_id}/clone": WRITE,
    "POST /trials/{trial_id}/retry": WRITE,
    "POST /trials/{trial_id}/cancel": WRITE,
    "GET /trials/{trial_id}/decisions": READ | OWN,
    "GET /trials/{trial_id}/log": READ,
    "GET /trials/{trial_id}/outputs": READ,
    "GET /trials/{trial_id}/artifacts": READ,
    "GET /trials/{trial_id}/artifacts/{artifact_id}": READ,
    "POST /runs": CREATE,
    "GET /runs": ANYBODY,
    "GET /runs/{run_id}": READ | OWN_RUN,
    "PATCH /runs/{run_id}": WRITE | OWN_RUN,
    "DELETE /runs/{run_id}": WRITE,
    "POST /runs/{run_id}/restore": WRITE,
    "POST /runs/{run_id}/metrics": WRITE | OWN_RUN,
    "POST /runs/{run_id}/params": WRITE | OWN_RUN,
    "POST /runs/{run_id}/tags": WRITE | OWN_RUN,
    "PUT /runs/{run_id}/artifacts": WRITE | OWN_RUN,
    "POST /runs/{run_id}/finish": WRITE | OWN_RUN,
    "GET /savings": ANYBODY,
    "GET /templates": ANYBODY,
    "POST /templates": CREATE,
    "DELETE /templates/{template_id}": WRITE,
    "POST /uploads": CREATE,
}


def test_every_route_has_its_row_here() -> None:
    paths = native_api.get_openapi_schema(path_prefix="")["paths"]
    there = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    assert there == set(ROUTES)


@dataclass(frozen=True)
class World:
    """One team's sweep with a running trial, and everybody's secret."""

    ids: Mapping[str, int]
    secrets: Mapping[str, str | None]


@pytest.fixture
def world(team: Team) -> World:
    factories.team("Physics", root="admin")
    factories.team("Chemistry", otto="member")
    sweep = factories.sweep(team)
    best = factories.trial(sweep, state="completed", value=0.5)
    trial, other = factories.trial(sweep), factories.trial(sweep)
    claim, another = factories.claim(trial), factories.claim(other, slot=1)
    sha256 = hashlib.sha256(b"1").hexdigest()
    storage.write_whole(storage.output_path(claim.attempt.pk, sha256), [b"1"])
    file = {"path": "a.txt", "size": 1, "sha256": sha256}
    artifact = Artifact.objects.create(attempt=claim.attempt, **file)
    assert best.current_attempt is not None
    storage.write_whole(storage.output_path(best.current_attempt.pk, sha256), [b"1"])
    Artifact.objects.create(attempt=best.current_attempt, **file)
    Sweep.objects.filter(pk=sweep.pk).update(preflight={"state": "passed"})
    trial_request = TrialRequest.objects.create(
        sweep=sweep, params=trial.params, origin="by_hand"
    )
    template = SweepTemplate.objects.create(team=team, name="saved", document={})
    run, other_run = (
        lifecycle.start_run(sweep.experiment, name="by hand") for _ in range(2)
    )
    return World(
        {
            "sweep_id": sweep.pk,
            "run_id": run.attempt.trial_id,
            "trial_id": trial.pk,
            "artifact_id": artifact.pk,
            "request_id": trial_request.pk,
            "template_id": template.pk,
        },
        {
            "nobody": None,
            "viewer": factories.api_token(factories.user("vera")),
            "reading member": factories.api_token(factories.user("ada"), "read"),
            "member": factories.api_token(factories.user("ada")),
            "admin": factories.api_token(factories.user("root"), "admin"),
            "stranger": factories.api_token(factories.user("otto"), "admin"),
            "own trial": claim.trial_token.secret,
            "other trial": another.trial_token.secret,
            "own run": run.token.secret,
            "other run": other_run.token.secret,
            "worker": factories.worker_token(sweep.pool),
            "runner": claim.runner_token.secret,
            "revoked": factories.revoked_token(factories.user("ada")),
            "inactive": factories.api_token(factories.user("gone", is_active=False)),
        },
    )


def call(world: World, caller: str, route: str) -> Any:
    method, path = route.split(" ", 1)
    path = path.format(**world.ids)
    body, kind = _body(route, world.ids)
    if route in {"POST /sweeps", "POST /uploads", "POST /runs", "POST /templates"}:
        path += "?team=physics"
    if route == "PUT /runs/{run_id}/artifacts":
        path += "?path=model.bin"
    return Api(world.secrets[caller])(method, path, body, content_type=kind)


def _body(route: str, ids: dict[str, int]) -> tuple[Any, str]:
    if route == "POST /uploads":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("train.py", "print(1)")
        return buffer.getvalue(), "application/zip"
    bodies: dict[str, Any] = {
        "POST /sweeps": factories.definition_document(),
        "POST /sweeps/check": factories.definition_document(),
        "PATCH /sweeps/{sweep_id}": {"notes": "seen"},
        "POST /sweeps/{sweep_id}/again": {"trials": [0]},
        "POST /sweeps/{sweep_id}/extend": {"trials": 3},
        "POST /sweeps/{sweep_id}/warm-start": {"trials": [ids["trial_id"]]},
        "POST /sweeps/{sweep_id}/backfill": {"dry_run": True},
        "POST /sweeps/{sweep_id}/trials": {"params": {"x": 0.01}},
        "POST /trials/{trial_id}/clone": {"params": {"x": 0.02}},
        "POST /sweeps/{sweep_id}/simulations": {
            "policies": [{"type": "median_stopping"}]
        },
        "POST /trials/{trial_id}/finish": {"state": "failed"},
        "POST /templates": {
            "name": "digits",
            "document": factories.definition_document(),
        },
        "POST /runs": {"experiment": "digits"},
        "PATCH /runs/{run_id}": {"note": "seen"},
        "POST /runs/{run_id}/params": {"params": {"lr": 0.1}},
        "POST /runs/{run_id}/tags": {"tags": {"gpu": "no"}},
        "POST /runs/{run_id}/metrics": {
            "points": [{"name": "accuracy", "step": 0, "value": 0.5}]
        },
        "PUT /runs/{run_id}/artifacts": b"bytes",
        "POST /trials/{trial_id}/metrics": {
            "points": [{"name": "accuracy", "step": 0, "value": 0.5}]
        },
    }
    body = bodies.get(route)
    raw = isinstance(body, bytes)
    return body, "application/octet-stream" if raw else "application/json"


@pytest.mark.parametrize("route", ROUTES)
def test_a_caller_gets_what_the_table_says(world: World, route: str) -> None:
    for caller in (*CALLERS, *TOKENS):
        before = transaction.savepoint()
        answer = call(world, caller, route)
        transaction.savepoint_rollback(before)
        expected = ROUTES[route].get(caller, UNKNOWN)
        assert answer.status_code in expected, caller
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert error["code"] and error["message"] and "fields" in error, caller


def test_a_stranger_sees_an_empty_listing(world: World) -> None:
    assert call(world, "stranger", "GET /sweeps").json()["items"] == []


def test_a_refusal_does_not_tell_whether_the_thing_exists(world: World) -> None:
    there = call(world, "stranger", "GET /sweeps/{sweep_id}").json()
    nowhere = World({**world.ids, "sweep_id": 10**6}, world.secrets)
    assert call(nowhere, "stranger", "GET /sweeps/{sweep_id}").json() == there


@pytest.mark.parametrize(
    "path", ["/trials/abc", "/trials/1e3/metrics", f"/trials/{10**40}", "/trials/-1"]
)
def test_a_nonsensical_number_is_no_server_error(world: World, path: str) -> None:
    for caller in ("member", "own trial", "nobody"):
        answer = Api(world.secrets[caller]).get(path)
        assert 400 <= answer.status_code < 500


def test_a_session_cookie_opens_nothing(world: World, client: Any) -> None:
    client.force_login(factories.user("ada"))
    answer = client.get(f"/api/v1/sweeps/{world.ids['sweep_id']}")
    assert answer.status_code == 401
