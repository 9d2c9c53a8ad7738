"""Failures by signature, and one configuration tried first, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiments.models import Sweep
from experiments.scheduling import rounds
from tests import factories
from tests.pages.sweep.test_failures import oom, sweep
from tests.pages.sweep.test_preflight_card import tried

pytestmark = pytest.mark.django_db


def call(
    method: str, path: str, name: str = "ada", body: Any = None, **more: Any
) -> Any:
    token = factories.api_token(factories.user(name))
    client = Client(headers={"Authorization": f"Bearer {token}"})
    if body is not None:
        more |= {"data": body, "content_type": "application/json"}
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
    assert "Only a draft" in answer.json()["error"]["message"]


# --- what to do ---------------------------------------------------------------------


def test_a_failure_s_remedies_are_those_of_its_page_and_one_is_done() -> None:
    made = oom(sweep())
    path = f"/sweeps/{made.pk}/failures"
    found = call("get", f"{path}/remedies", "eve").json()["remedies"]
    assert [each["value"] for each in found] == ["exclude", "copy", "retry", "resume"]
    assert found[0]["note"] == "proposed" and "batch" in found[0]["name"]
    assert call("post", f"{path}/remedy", "eve", {"remedy": "exclude"}).status_code == (
        403
    )
    wrong = call("post", f"{path}/remedy", body={"remedy": "more_time"})
    assert wrong.status_code == 409
    done = call("post", f"{path}/remedy", body={"remedy": "exclude"}).json()
    made.refresh_from_db()
    assert (made.state, done["draft"]) == ("running", None)
    assert len(made.definition["constraints"]) == 1


def test_a_copy_of_a_failed_sweep_is_a_draft() -> None:
    made = oom(sweep())
    path = f"/sweeps/{made.pk}/failures/remedy"
    done = call("post", path, body={"remedy": "copy"}).json()
    draft = Sweep.objects.get(pk=done["draft"])
    assert (draft.state, draft.definition["search_space"]) == (
        "draft",
        made.definition["search_space"],
    )


def test_a_preflight_is_repeated_with_a_metric_that_was_reported() -> None:
    made = sweep(state="draft")
    path = f"/sweeps/{made.pk}/preflight"
    assert call("post", path).json()["remedies"] == []
    tried(made, "acc")
    waiting = call("get", path).json()
    assert [each["value"] for each in waiting["remedies"]] == [
        *("use:acc", "repeat", "resume")
    ]
    for wrong in ("use:loss", "copy"):
        answer = call("post", f"{path}/remedy", body={"remedy": wrong})
        assert answer.status_code == 409
    done = call("post", f"{path}/remedy", body={"remedy": "use:acc"}).json()
    made.refresh_from_db()
    assert (done["sweep_state"], made.primary_metric) == ("running", "acc")


def test_a_signature_that_the_sweep_does_not_have_is_refused() -> None:
    made = oom(sweep())
    path = f"/sweeps/{made.pk}/failures"
    [group] = call("get", path).json()["items"]
    body = {"remedy": "retry", "signature": "old"}
    for answer in (
        call("post", f"{path}/remedy", body=body),
        call("get", f"{path}/remedies?signature=old"),
    ):
        assert answer.status_code == 422
        assert group["signature"] in answer.json()["error"]["message"]
    assert not made.requests.exists()
    body["signature"] = group["signature"]
    assert call("post", f"{path}/remedy", body=body).status_code == 200
    assert made.requests.count() == 6


def test_without_a_failure_there_is_nothing_to_do() -> None:
    path = f"/sweeps/{sweep().pk}/failures"
    assert call("get", f"{path}/remedies").json() == {"remedies": []}
    answer = call("post", f"{path}/remedy", body={"remedy": "copy"})
    assert answer.status_code == 409


@pytest.mark.parametrize("remedy", ["exclude", "retry", "resume"])
def test_a_remedy_runs_nothing_on_a_pool_of_others(remedy: str) -> None:
    made = oom(sweep())
    made.pool.runners.add(factories.user("max"))
    path = f"/sweeps/{made.pk}/failures/remedy"
    answer = call("post", path, body={"remedy": remedy})
    assert answer.status_code == 409
    assert "may not run commands" in answer.json()["error"]["message"]
    made.refresh_from_db()
    assert (made.state, made.requests.count()) == ("paused", 0)
    assert not made.definition.get("constraints")


@pytest.mark.parametrize("remedy", ["use:acc", "repeat", "resume"])
def test_a_preflight_runs_nothing_on_a_pool_of_others(remedy: str) -> None:
    made = sweep(state="draft")
    path = f"/sweeps/{made.pk}/preflight"
    call("post", path)
    tried(made, "acc")
    made.pool.runners.add(factories.user("max"))
    answer = call("post", f"{path}/remedy", body={"remedy": remedy})
    assert answer.status_code == 409
    made.refresh_from_db()
    assert (made.state, made.primary_metric) == ("paused", "accuracy")


@pytest.mark.parametrize(
    ("state", "path", "body"),
    [
        ("draft", "start", None),
        ("paused", "resume", None),
        ("draft", "preflight", None),
        ("completed", "extend", {"trials": 3}),
        ("completed", "again", {"trials": [17]}),
        ("completed", "backfill", {}),
        ("completed", "trials", {"params": {"x": 0.5, "batch": 8}}),
    ],
)
def test_nothing_makes_a_sweep_run_on_a_pool_of_others(
    state: str, path: str, body: Any
) -> None:
    made = oom(sweep())
    Sweep.objects.filter(pk=made.pk).update(state=state)
    made.pool.runners.add(factories.user("max"))
    answer = call("post", f"/sweeps/{made.pk}/{path}", body=body)
    assert answer.status_code == 409, answer.content
    assert "may not run commands" in answer.json()["error"]["message"]
    made.refresh_from_db()
    assert (made.state, made.requests.count()) == (state, 0)
