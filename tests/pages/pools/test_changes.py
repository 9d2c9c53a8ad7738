"""What admins do about pools: hosts that drain, credentials, settings."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from experiments.models import Event, Pool, Team, WorkerToken
from experiments.tokens import token_digest
from tests import factories
from tests.pages.pools.pool_hosts import page, put, silence

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
HOSTILE = "<script>alert(1)</script>"


# --- hosts ----------------------------------------------------------------------------


def test_a_host_is_drained_after_a_question_and_takes_trials_again(
    root: Client, pool: Pool
) -> None:
    worker = factories.worker(pool)
    put(factories.trial(factories.sweep(factories.team())), worker, 0)
    url = f"/pools/default/hosts/{worker.pk}/drain/"
    question = page(root, url)
    assert "Drain host host?" in question
    assert "1 trial, which runs on it to the end" in question
    worker.refresh_from_db()
    assert worker.draining_since is None
    assert root.post(url, {"reason": "a new disk"}).status_code == 302
    worker.refresh_from_db()
    assert worker.draining_since is not None
    assert "a new disk (root)" in worker.drain_reason
    assert "is already draining" in root.post(url, follow=True).content.decode()
    back = f"/pools/default/hosts/{worker.pk}/undrain/"
    assert "takes trials again" in root.post(back, follow=True).content.decode()
    worker.refresh_from_db()
    assert worker.draining_since is None
    actors = Event.objects.filter(actor__username="root").count()
    assert actors == 2


@pytest.mark.parametrize("letter", ["x", "\U0001f600", "<"])
def test_a_long_reason_is_refused_and_stays(
    root: Client, pool: Pool, letter: str
) -> None:
    worker = factories.worker(pool)
    url = f"/pools/default/hosts/{worker.pk}/drain/"
    answer = root.post(url, {"reason": letter * 201})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'value="{escape(letter * 201)}"' in text
    assert "has 201 characters; up to 200 are allowed" in text
    worker.refresh_from_db()
    assert worker.draining_since is None
    assert root.post(url, {"reason": letter * 200}).status_code == 302
    worker.refresh_from_db()
    assert worker.drain_reason == f"{letter * 200} (root)"
    assert escape(letter * 200) in page(root), "nor is it cut where it is shown"


@pytest.mark.parametrize("field", ["reason", "python"])
def test_characters_that_nobody_sees_are_refused(
    root: Client, pool: Pool, field: str
) -> None:
    worker = factories.worker(pool)
    paths = {
        "reason": f"/pools/default/hosts/{worker.pk}/drain/",
        "python": "/pools/default/edit/",
    }
    answer = root.post(paths[field], {field: "Eve\u202ecod.exe"})
    assert r"Eve\u202ecod.exe has the character \u202e" in answer.content.decode()
    worker.refresh_from_db()
    assert worker.draining_since is None


def test_a_long_name_leaves_the_reason_whole(client: Client, pool: Pool) -> None:
    worker = factories.worker(pool)
    client.force_login(factories.user("r" * 150, is_superuser=True))
    url = f"/pools/default/hosts/{worker.pk}/drain/"
    assert client.post(url, {"reason": "x" * 200}).status_code == 302
    worker.refresh_from_db()
    assert worker.drain_reason.endswith("r\N{HORIZONTAL ELLIPSIS})")


def test_a_living_host_is_not_forgotten_and_a_silent_one_is(
    root: Client, pool: Pool
) -> None:
    worker = factories.worker(pool)
    url = f"/pools/default/hosts/{worker.pk}/forget/"
    assert "was not forgotten" in root.post(url, follow=True).content.decode()
    worker.refresh_from_db()
    assert worker.stopped_at is None
    silence(worker, minutes=5)
    assert "Forget host host?" in page(root, url)
    assert "is no longer listed" in root.post(url, follow=True).content.decode()
    worker.refresh_from_db()
    assert worker.stopped_at is not None
    assert f"hosts/{worker.pk}/" not in page(root)


def test_a_host_is_only_found_in_its_own_pool(root: Client, team: Team) -> None:
    worker = factories.worker(factories.pool(team, "other"))
    url = f"/pools/default/hosts/{worker.pk}/drain/"
    assert root.post(url).status_code == 404


# --- credentials and settings ---------------------------------------------------------


def test_a_worker_token_is_shown_once(root: Client, pool: Pool) -> None:
    answer = root.post("/pools/default/token/")
    token = WorkerToken.objects.get()
    line = next(
        line for line in answer.content.decode().splitlines() if "TOKEN=wrk_" in line
    )
    secret = line.split("SWEEPSITE_WORKER_TOKEN=")[1].strip()
    assert token_digest(secret) == token.digest
    assert (token.pool, token.created_by) == (pool, factories.user("root"))
    assert "no-store" in answer["Cache-Control"]
    assert secret not in page(root, "/pools/default/start/")
    assert root.get("/pools/default/token/").status_code == 405
    assert secret not in Event.objects.get().message


def form(pool: Pool, **changes: Any) -> dict[str, Any]:
    fields = {
        "teams": list(pool.teams.values_list("pk", flat=True)),
        "price_per_hour": "1.25",
        "python": "/opt/torch/bin/python",
        "folders": "/srv/code\n\n /data/work \n/srv/code",
    }
    return {**fields, **changes}


def test_an_admin_edits_a_pool(root: Client, pool: Pool) -> None:
    other = factories.team("Chemistry")
    body = form(pool, teams=[other.pk], name="renamed")
    assert root.post("/pools/default/edit/", body).status_code == 302
    pool.refresh_from_db()
    assert pool.name == "default"
    assert str(pool.price_per_hour) == "1.2500"
    assert pool.python == "/opt/torch/bin/python"
    assert pool.folders == ["/srv/code", "/data/work"]
    assert list(pool.teams.all()) == [other]
    assert "/srv/code\n/data/work" in page(root, "/pools/default/edit/")
    assert Event.objects.get().verb == "pool changed"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("price_per_hour", "-1", "Enter a number from 0 to 999,999"),
        ("price_per_hour", "much", "Enter a number from 0 to 999,999"),
        ("price_per_hour", "1e400", "&quot;1e400&quot; is not allowed."),
        ("price_per_hour", "NaN", "&quot;NaN&quot; is not allowed."),
        ("folders", "relative/path", "is not an absolute path"),
        ("folders", "/srv/../etc", "is not an absolute path"),
        ("folders", HOSTILE, "is not an absolute path"),
        ("folders", "/", "would open every file of the hosts"),
        ("folders", "/etc", "belongs to the system"),
    ],
)
def test_what_is_wrong_is_told_and_kept(
    root: Client, pool: Pool, field: str, value: str, told: str
) -> None:
    answer = root.post("/pools/default/edit/", form(pool, **{field: value}))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert told in text
    assert value in text or HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in text
    assert "<script>alert" not in text
    pool.refresh_from_db()
    assert (pool.python, pool.folders) == ("", [])


def test_an_admin_makes_a_pool_and_is_told_how_to_start_workers(
    root: Client, team: Team
) -> None:
    body = {"name": "gpu-a", "teams": [team.pk], "folders": ""}
    answer = root.post("/pools/new/", body)
    assert answer["Location"] == "/pools/gpu-a/start/"
    assert list(Pool.objects.get(name="gpu-a").teams.all()) == [team]
    assert root.post("/pools/new/", body).status_code == 422
    assert root.post("/pools/new/", {**body, "name": "new"}).status_code == 422
