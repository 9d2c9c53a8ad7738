"""Who gets what: every route of the API against every kind of caller."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction

from experiments.api import rate_limits
from experiments.api.native import api as native_api
from experiments.api.worker import api as worker_api
from experiments.api.worker_hosts import PROTOCOL
from experiments.models import Event, Sweep, Team
from tests import factories
from tests.access_world import (
    ALLOWED,
    FORBIDDEN,
    MISSING,
    OK,
    UNKNOWN,
    World,
    make_world,
)
from tests.api.conftest import Api

CALLERS = ("nobody", "viewer", "reading member", "member", "admin", "stranger")
TOKENS = (
    *("superuser", "own trial", "other trial", "own run", "other run"),
    *("worker", "other worker", "runner", "other runner", "revoked", "inactive"),
)

MEMBERS = ("viewer", "reading member", "member", "admin", "superuser")
READ = dict.fromkeys(MEMBERS, ALLOWED)
READ["stranger"] = MISSING
WRITE: dict[str, Any] = {
    "viewer": FORBIDDEN,
    "reading member": FORBIDDEN,
    "member": ALLOWED,
    "admin": ALLOWED,
    "superuser": ALLOWED,
    "stranger": MISSING,
}
CREATE = {**WRITE}
# Of the team, also with a token that may only read.
STEERERS: dict[str, Any] = {**WRITE, "reading member": ALLOWED}
ADMIN = {**WRITE, "member": FORBIDDEN}
ANYBODY: dict[str, Any] = {**READ, "stranger": ALLOWED}
# With a token of scope admin, on the owner's tokens. The one in the path is ada's.
MANAGE: dict[str, Any] = {
    **dict.fromkeys(("viewer", "reading member", "member"), FORBIDDEN),
    **dict.fromkeys(("admin", "stranger", "superuser"), ALLOWED),
}
NOT_OWN_TOKEN: dict[str, Any] = {
    **MANAGE,
    **dict.fromkeys(("admin", "stranger", "superuser"), MISSING),
}
# Of the team in the path, with a token of scope admin.
TEAM: dict[str, Any] = {**MANAGE, "stranger": MISSING}
# The admin is not in the other team.
TRANSFER: dict[str, Any] = {**TEAM, "admin": MISSING}
# For administrators of the site.
SITE: dict[str, Any] = {**MANAGE, "admin": FORBIDDEN, "stranger": FORBIDDEN}
LEAVE: dict[str, Any] = {**WRITE, "viewer": ALLOWED, "superuser": MISSING}
OWN: dict[str, Any] = {"own trial": ALLOWED}
OWN_RUN: dict[str, Any] = {"own run": ALLOWED}

ROUTES: Mapping[str, Mapping[str, Any]] = {
    "POST /sweeps": CREATE,
    "POST /sweeps/check": ANYBODY,
    "GET /sweeps": ANYBODY,
    "GET /sweeps/{sweep_id}": READ,
    "PATCH /sweeps/{sweep_id}": WRITE,
    "GET /sweeps/{sweep_id}/best": READ,
    "GET /sweeps/{sweep_id}/importance": READ,
    "GET /sweeps/{sweep_id}/best/outputs": READ,
    "GET /sweeps/{sweep_id}/trials": READ,
    "GET /sweeps/{sweep_id}/report": READ,
    "GET /sweeps/{sweep_id}/report-links": STEERERS,
    "POST /sweeps/{sweep_id}/report-links": WRITE,
    "DELETE /sweeps/{sweep_id}/report-links/{report_link_id}": WRITE,
    "POST /sweeps/{sweep_id}/again": WRITE,
    "POST /sweeps/{sweep_id}/ask": WRITE,
    "POST /sweeps/{sweep_id}/extend": WRITE,
    "GET /sweeps/{sweep_id}/failures": READ,
    "GET /sweeps/{sweep_id}/failures/remedies": READ,
    "POST /sweeps/{sweep_id}/failures/remedy": WRITE,
    "GET /sweeps/{sweep_id}/advice": READ,
    # Of one's own view of the sweep.
    "POST /sweeps/{sweep_id}/advice/dismiss": {**WRITE, "viewer": ALLOWED},
    "GET /sweeps/{sweep_id}/charts/{chart}": READ,
    "POST /sweeps/{sweep_id}/backfill": WRITE,
    "GET /sweeps/{sweep_id}/preflight": READ,
    "POST /sweeps/{sweep_id}/preflight": WRITE,
    "POST /sweeps/{sweep_id}/preflight/remedy": WRITE,
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
    "PATCH /trials/{trial_id}": WRITE,
    "POST /annotations": {**WRITE, "stranger": range(422, 423)},
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
    "GET /events": MANAGE,
    "GET /savings": ANYBODY,
    "GET /space": ANYBODY,
    "POST /space/measure": {**ANYBODY, "reading member": FORBIDDEN},
    "GET /space/quotas": ANYBODY,
    "PUT /space/quotas/{team}": SITE,
    "GET /space/orphans": SITE,
    "DELETE /space/orphans": SITE,
    "GET /templates": ANYBODY,
    "POST /templates": CREATE,
    "DELETE /templates/{template_id}": WRITE,
    "POST /uploads": CREATE,
    "DELETE /sweeps/{sweep_id}": WRITE,
    "POST /cleanup/plan": READ,
    "POST /cleanup/move": ADMIN,
    "GET /cleanup/rules": ANYBODY,
    "GET /cleanup/tasks": ANYBODY,
    "DELETE /experiments/{experiment_id}": WRITE,
    "POST /cleanup/rules": ADMIN,
    "PATCH /cleanup/rules/{rule_id}": ADMIN,
    "DELETE /cleanup/rules/{rule_id}": ADMIN,
    "GET /trash": ANYBODY,
    "POST /trash/{item_id}/restore": WRITE,
    "DELETE /trash/{item_id}": ADMIN,
    "GET /tokens": ANYBODY,
    "POST /tokens": MANAGE,
    "POST /tokens/{token_id}/renew": NOT_OWN_TOKEN,
    "DELETE /tokens/{token_id}": NOT_OWN_TOKEN,
    "GET /notifications": ANYBODY,
    "POST /notifications/read": {**ANYBODY, "reading member": FORBIDDEN},
    "GET /notifications/channels": ANYBODY,
    "POST /notifications/channels": MANAGE,
    "PATCH /notifications/channels/{channel_id}": TEAM,
    "DELETE /notifications/channels/{channel_id}": TEAM,
    "POST /notifications/channels/{channel_id}/test": TEAM,
    "GET /notifications/channels/{channel_id}/deliveries": TEAM,
    "GET /experiments/{experiment_id}/watch": READ,
    "PUT /experiments/{experiment_id}/watch": {**WRITE, "viewer": ALLOWED},
    "GET /teams": ANYBODY,
    "GET /teams/{slug}": READ,
    "GET /teams/{slug}/members": READ,
    "POST /teams/{slug}/leave": LEAVE,
    "POST /teams/{slug}/members": TEAM,
    "PATCH /teams/{slug}/members/{user_id}": TEAM,
    "DELETE /teams/{slug}/members/{user_id}": TEAM,
    "GET /experiments": ANYBODY,
    "GET /experiments/{experiment_id}": READ,
    "PATCH /experiments/{experiment_id}": WRITE,
    "POST /experiments/{experiment_id}/transfer": TRANSFER,
    "GET /experiments/{experiment_id}/views": READ,
    # Views of one's own need no more than reading.
    "POST /experiments/{experiment_id}/views": {**WRITE, "viewer": ALLOWED},
    "PATCH /views/{view_id}": WRITE,
    "DELETE /views/{view_id}": WRITE,
    "POST /sweeps/{sweep_id}/transfer": TRANSFER,
    "GET /me": ANYBODY,
    "POST /experiments": CREATE,
    "POST /teams": SITE,
    "PATCH /teams/{slug}": TEAM,
    "DELETE /teams/{slug}": TEAM,
    "GET /teams/{slug}/invitations": TEAM,
    "POST /teams/{slug}/invitations": TEAM,
    "DELETE /teams/{slug}/invitations/{invitation_id}": TEAM,
    "POST /teams/{slug}/service-accounts": TEAM,
    "DELETE /teams/{slug}/service-accounts/{service_account_id}": TEAM,
    "PATCH /templates/{template_id}": WRITE,
    "DELETE /trash": ADMIN,
    "POST /cleanup/stop": ADMIN,
    "GET /sweeps/{sweep_id}/document": READ,
    "PUT /sweeps/{sweep_id}/document": WRITE,
    "GET /search": ANYBODY,
    "GET /sweeps/{sweep_id}/code": READ,
    "GET /sweeps/{sweep_id}/events": READ,
    "GET /trials/{trial_id}/environment": READ,
    "GET /pools": ANYBODY,
    # Both teams use this pool.
    "GET /pools/{name}": ANYBODY,
    "GET /pools/{name}/hosts": ANYBODY,
    "POST /pools": SITE,
    "PATCH /pools/{name}": SITE,
    "GET /pools/{name}/credentials": SITE,
    "POST /pools/{name}/credentials": SITE,
    "DELETE /pools/{name}/credentials/{credential_id}": SITE,
    "POST /pools/{name}/hosts/{host_id}/drain": SITE,
    "POST /pools/{name}/hosts/{host_id}/undrain": SITE,
    "DELETE /pools/{name}/hosts/{host_id}": SITE,
    "GET /people": SITE,
    "POST /people": SITE,
    "PATCH /people/{person_id}": SITE,
    "POST /people/{person_id}/password-link": SITE,
    "DELETE /people/{person_id}/factors": SITE,
    "GET /health": SITE,
}


# The workers' own API: a pool's token, or that of the runner of the attempt.
POOL = {"worker": ALLOWED, "other worker": MISSING}
ANY_POOL = {"worker": ALLOWED, "other worker": ALLOWED}
RUNNER = {"runner": (*ALLOWED, 422)}
WORKER_ROUTES: Mapping[str, Mapping[str, Any]] = {
    "POST /hello": ANY_POOL,
    "POST /beat": POOL,
    "POST /drain": POOL,
    "POST /slots/stuck": POOL,
    "POST /slots/idle": POOL,
    "POST /bye": POOL,
    "POST /attempts/{attempt_id}/claim": POOL,
    "POST /attempts/{attempt_id}/heartbeat": RUNNER,
    "POST /attempts/{attempt_id}/metrics": RUNNER,
    "POST /attempts/{attempt_id}/log": RUNNER,
    "POST /attempts/{attempt_id}/commit": RUNNER,
    "POST /attempts/{attempt_id}/finish": RUNNER,
    "PUT /attempts/{attempt_id}/artifacts": RUNNER,
    "DELETE /attempts/{attempt_id}/artifacts": RUNNER,
    "GET /attempts/{attempt_id}/code/{digest}.zip": RUNNER,
    # This attempt does not continue another one.
    "GET /attempts/{attempt_id}/resume/{sha256}": {"runner": MISSING},
}


def routes_of(api: Any) -> set[str]:
    paths = api.get_openapi_schema(path_prefix="")["paths"]
    return {f"{method.upper()} {path}" for path in paths for method in paths[path]}


def test_every_route_has_its_row_here() -> None:
    assert routes_of(native_api) == set(ROUTES)
    assert routes_of(worker_api) == set(WORKER_ROUTES)


@pytest.fixture
def world(team: Team) -> World:
    return make_world(team)


IN_TEAM = {
    *("POST /sweeps", "POST /uploads", "POST /runs", "POST /templates"),
    *("POST /experiments", "DELETE /trash", "POST /cleanup/stop"),
}


def call(world: World, caller: str, route: str) -> Any:
    method, path = route.split(" ", 1)
    path = path.format(
        **world.ids, slug="physics", team="physics", name="default", chart="ends"
    )
    body, kind = _body(route, world.ids)
    if route in IN_TEAM:
        path += "?team=physics"
    if route == "GET /search":
        path += "?q=digits"
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
        "PUT /sweeps/{sweep_id}/document": factories.definition_document(
            display_name="another"
        ),
        "PATCH /sweeps/{sweep_id}": {"notes": "seen"},
        "POST /sweeps/{sweep_id}/again": {"trials": [0]},
        "POST /sweeps/{sweep_id}/failures/remedy": {"remedy": "copy"},
        "POST /sweeps/{sweep_id}/preflight/remedy": {"remedy": "resume"},
        "POST /sweeps/{sweep_id}/advice/dismiss": {"keys": ["stop"]},
        "POST /sweeps/{sweep_id}/report-links": {"days": 1},
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
        "PUT /space/quotas/{team}": {"quota_bytes": 10**12},
        "POST /runs": {"experiment": "digits"},
        "POST /cleanup/plan": {"team": "physics"},
        "POST /cleanup/move": {"team": "physics"},
        "POST /cleanup/rules": {"team": "physics", "older_than": 30},
        "PATCH /cleanup/rules/{rule_id}": {"enabled": False},
        "POST /tokens": {"name": "notebook"},
        "POST /notifications/channels": {
            "kind": "slack",
            "name": "ours",
            "address": "https://8.8.8.8/hook",
            "kinds": ["failed"],
        },
        "PATCH /notifications/channels/{channel_id}": {"kinds": ["finished"]},
        "PUT /experiments/{experiment_id}/watch": {"level": "all"},
        "POST /tokens/{token_id}/renew": {"days": 7},
        "POST /people": {"username": "nina"},
        "POST /experiments": {"name": "letters"},
        "POST /teams": {"name": "Biology"},
        "PATCH /teams/{slug}": {"name": "Physics and more"},
        "POST /teams/{slug}/invitations": {"meant_for": "nina"},
        "POST /teams/{slug}/service-accounts": {"username": "physics-bot"},
        "PATCH /templates/{template_id}": {"name": "renamed"},
        "POST /pools": {"name": "gpu"},
        "PATCH /pools/{name}": {"price_per_hour": 1.5},
        "POST /teams/{slug}/members": {"username": "otto"},
        "PATCH /teams/{slug}/members/{user_id}": {"role": "member"},
        "POST /experiments/{experiment_id}/transfer": {
            "team": "chemistry",
            "dry_run": True,
        },
        "POST /sweeps/{sweep_id}/transfer": {"team": "chemistry", "dry_run": True},
        "POST /experiments/{experiment_id}/views": {"page": "trials", "name": "good"},
        "PATCH /trials/{trial_id}": {"note": "seen"},
        "POST /annotations": {"trials": [ids["trial_id"]], "note": "seen"},
        "PATCH /experiments/{experiment_id}": {"notes": "seen"},
        "PATCH /views/{view_id}": {"name": "better"},
        "PATCH /people/{person_id}": {"active": False},
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


# To make a world takes longer than the calls in it, so the routes of an area share one.
AREAS = sorted({route.split("/")[1] for route in ROUTES})


def in_area(area: str) -> Iterator[str]:
    return one_by_one(route for route in ROUTES if route.split("/")[1] == area)


def one_by_one(routes: Iterable[str]) -> Iterator[str]:
    """Each begins in the world as it was made."""
    for route in routes:
        rate_limits.requests.clear()
        rate_limits.failures.clear()
        before = transaction.savepoint()
        yield route
        transaction.savepoint_rollback(before)


def calls_of(routes: Iterator[str]) -> Iterator[tuple[str, str]]:
    for route in routes:
        for caller in (*CALLERS, *TOKENS):
            yield route, caller


@pytest.mark.parametrize("area", AREAS)
def test_a_caller_gets_what_the_table_says(world: World, area: str) -> None:
    for route, caller in calls_of(in_area(area)):
        before = transaction.savepoint()
        answer = call(world, caller, route)
        transaction.savepoint_rollback(before)
        expected = ROUTES[route].get(caller, UNKNOWN)
        assert answer.status_code in expected, (route, caller)
        if answer.status_code >= 400:
            error = answer.json()["error"]
            shape = error["code"] and error["message"] and "fields" in error
            assert shape, (route, caller)


def call_worker_api(world: World, caller: str, route: str) -> Any:
    method, path = route.split(" ", 1)
    path = path.format(**world.ids, digest=world.code, sha256="0" * 64)
    path += {"log": "?seq=0", "artifacts": "?path=a.txt"}.get(path.split("/")[-1], "")
    body = {
        "worker": world.ids["worker_id"],
        "slot": 0,
        "points": [],
        "cause": "exited",
    }
    hello = {"name": "h", "host": "h", "boot_id": "b", "pid": 1, "slots": 1}
    headers = {"X-Sweepsite-Protocol": str(PROTOCOL)}
    body = {**body, **(hello if path == "/hello" else {})}
    api = Api(world.secrets[caller], root="/api/worker/v1")
    return api(method, path, body, headers=headers)


def test_the_workers_api_takes_only_the_worker_and_the_attempts_runner(
    world: World,
) -> None:
    for route, caller in calls_of(one_by_one(WORKER_ROUTES)):
        before = transaction.savepoint()
        answer = call_worker_api(world, caller, route)
        transaction.savepoint_rollback(before)
        expected = WORKER_ROUTES[route].get(caller, UNKNOWN)
        assert answer.status_code in expected, (route, caller, answer.content)


def test_a_stranger_sees_an_empty_listing(world: World) -> None:
    assert call(world, "stranger", "GET /sweeps").json()["items"] == []


def test_a_refusal_does_not_tell_whether_the_thing_exists(world: World) -> None:
    there = call(world, "stranger", "GET /sweeps/{sweep_id}").json()
    nowhere = replace(world, ids={**world.ids, "sweep_id": 10**6})
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


# What training sends, what only asks, and what would change nothing.
NO_ACTS = {
    *("POST /sweeps/check", "POST /sweeps/{sweep_id}/simulations"),
    *("POST /sweeps/{sweep_id}/backfill", "POST /sweeps/{sweep_id}/preflight"),
    *("POST /trials/{trial_id}/metrics", "POST /runs/{run_id}/metrics"),
    *("POST /runs/{run_id}/params", "POST /runs/{run_id}/tags"),
    *("POST /runs/{run_id}/finish", "PUT /runs/{run_id}/artifacts"),
    *("POST /runs/{run_id}/restore", "POST /cleanup/plan"),
    "POST /pools/{name}/hosts/{host_id}/undrain",
    # Nothing is being deleted, and the person has no second factor.
    *("POST /cleanup/stop", "DELETE /people/{person_id}/factors"),
    # What a person has seen, or follows.
    "POST /sweeps/{sweep_id}/advice/dismiss",
    *("POST /notifications/read", "PUT /experiments/{experiment_id}/watch"),
    # They only say what would change.
    *("POST /experiments/{experiment_id}/transfer", "POST /sweeps/{sweep_id}/transfer"),
}
# The state of the world is another one, or there is no queue.
REFUSED = {
    *("POST /sweeps/{sweep_id}/extend", "POST /sweeps/{sweep_id}/warm-start"),
    *("POST /sweeps/{sweep_id}/ask", "POST /trials/{trial_id}/retry"),
    *("POST /trials/{trial_id}/finish", "POST /trials/{trial_id}/heartbeat"),
    *("POST /space/measure", "DELETE /space/orphans", "POST /cleanup/move"),
    "POST /sweeps/{sweep_id}/failures/remedy",
    *(
        "DELETE /sweeps/{sweep_id}",
        "DELETE /experiments/{experiment_id}",
        "POST /tokens/{token_id}/renew",
    ),
    *("DELETE /tokens/{token_id}", "DELETE /teams/{slug}"),
    "DELETE /pools/{name}/hosts/{host_id}",
}
STATES = {
    "PUT /sweeps/{sweep_id}/document": "draft",
    "POST /sweeps/{sweep_id}/start": "draft",
    "POST /sweeps/{sweep_id}/resume": "paused",
    "POST /sweeps/{sweep_id}/preflight/remedy": "paused",
}
# It ends the run, or makes a link, as well.
TWO_EVENTS = {"DELETE /runs/{run_id}", "POST /people"}


@pytest.mark.parametrize("area", AREAS)
def test_an_act_is_one_event_and_what_is_refused_is_none(
    world: World, area: str
) -> None:
    for route in in_area(area):
        if not route.startswith("GET"):
            check_events(world, route)


def check_events(world: World, route: str) -> None:
    """Only a 403 is one: who may not do it has tried."""
    if state := STATES.get(route):
        Sweep.objects.filter(pk=world.ids["sweep_id"]).update(state=state)
    for caller in ("member", "admin", "superuser"):
        before = list(Event.objects.values_list("pk", flat=True))
        answer = call(world, caller, route)
        if answer.status_code in OK:
            break
    done = answer.status_code in OK
    assert done == (route not in REFUSED), (route, answer.json())
    found = Event.objects.exclude(pk__in=before)
    expected = 0 if route in NO_ACTS | REFUSED else 1 + (route in TWO_EVENTS)
    assert len(found) == expected, (route, [event.verb for event in found])
    for event in found:
        assert event.via.startswith("token ")
        assert event.actor_name and event.request_id and event.address


def test_refused_people_and_tokens_are_logged_once_a_minute(world: World) -> None:
    cache.clear()
    before = Event.objects.count()
    for _ in range(3):
        call(world, "viewer", "POST /sweeps/{sweep_id}/pause")
        call(world, "revoked", "GET /sweeps")
        call(world, "stranger", "GET /sweeps/{sweep_id}")
    token, person = Event.objects.all()[: Event.objects.count() - before]
    assert (token.verb, token.who, token.message) == (
        *("token refused", "sweepsite"),
        "GET /api/v1/sweeps",
    )
    assert (person.verb, person.actor_name) == ("refused", "vera")
    assert person.message == f"POST /api/v1/sweeps/{world.ids['sweep_id']}/pause"


@pytest.mark.parametrize(
    "route",
    [
        "GET /sweeps/{sweep_id}/best/outputs",
        "GET /trials/{trial_id}/outputs",
        "GET /trials/{trial_id}/artifacts/{artifact_id}",
    ],
)
def test_a_download_is_an_event(world: World, route: str) -> None:
    before = Event.objects.count()
    call(world, "viewer", route)
    (event,) = Event.objects.all()[: Event.objects.count() - before]
    assert (event.verb, event.actor_name) == ("outputs downloaded", "vera")
    assert event.object_kind == "trial"
