"""Failures by signature, and one configuration tried first, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments.scheduling import rounds
from tests import factories
from tests.pages.sweep.test_failures import oom, sweep

pytestmark = pytest.mark.django_db


def call(method: str, path: str, name: str = "ada", **more: Any) -> Any:
    token = factories.api_token(factories.user(name))
    client = Client(headers={"Authorization": f"Bearer {token}"})
    return getattr(client, method)(f"/api/v1{path}", **more)


def test_failures_are_listed_by_signature() -> None:
    made = oom(sweep())
    answer = call("get", f"/sweeps/{made.pk}/failures").json()
    assert answer["failed"] == 6
    [group] = answer["items"]
    assert group["count"] == 6
    assert group["error"].endswith("Tried to allocate ‹size›")
    assert group["trials"] == [17, 16, 15, 14, 13, 12]
    assert group["likely_cause"] == "memory ran out"
    telling = [row for row in group["shared"] if row["significant"]]
    assert [(r["parameter"], r["failed"]) for r in telling] == [("batch", "64, 128")]


def test_strangers_find_nothing_and_viewers_do_nothing() -> None:
    made = oom(sweep())
    for path in ("failures", "preflight"):
        assert call("get", f"/sweeps/{made.pk}/{path}", "mallory").status_code == 404
    assert call("post", f"/sweeps/{made.pk}/preflight", "eve").status_code == 403


def test_a_draft_is_tried_first() -> None:
    made = sweep(state="draft")
    assert call("get", f"/sweeps/{made.pk}/preflight").status_code == 404
    begun = call("post", f"/sweeps/{made.pk}/preflight?hold=false")
    assert begun.json()["state"] == "running"
    factories.worker(made.pool)
    rounds.advance_all()
    trial = made.trials.get()
    factories.claim(trial)
    factories.report(trial, [0.1, 0.2])
    rounds.advance_all()
    found = call("get", f"/sweeps/{made.pk}/preflight").json()
    assert (found["state"], found["trial"], found["sweep_state"]) == (
        "passed",
        0,
        "running",
    )
    assert {check["mark"] for check in found["checks"]} == {"good"}
    again = call("post", f"/sweeps/{made.pk}/preflight")
    assert again.json()["state"] == "passed"


def test_what_has_begun_without_one_is_refused() -> None:
    made = sweep()
    answer = call("post", f"/sweeps/{made.pk}/preflight")
    assert answer.status_code == 409
    assert "only a draft" in answer.json()["error"]["message"]
