"""RQ's own pages: a policy of their own, and a sentence when the queue is down."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from experiments import queues
from experiments.models import Event
from experiments.pages.queue_pages import script_digests
from tests import factories

pytestmark = pytest.mark.django_db
CLOSED = "unix:///nowhere/queue.sock?db=0"


@pytest.fixture
def root(settings: Any) -> Client:
    use(settings, CLOSED)
    client = Client()
    client.force_login(factories.user("root", is_staff=True, is_superuser=True))
    return client


def use(settings: Any, address: str) -> None:
    settings.REDIS_URL = address
    settings.RQ_QUEUES = {"default": {**settings.RQ_QUEUES["default"], "URL": address}}
    queues.shared_connection.cache_clear()


def policy_of(response: Any) -> dict[str, list[str]]:
    parts = response["Content-Security-Policy"].split(";")
    return {name: sources for name, *sources in (part.split() for part in parts)}


def inline_scripts(html: str) -> list[str]:
    return re.findall(r"<script(?![^>]* src=)[^>]*>(.*?)</script>", html, re.DOTALL)


@pytest.mark.parametrize("page", ["", "queues/0/", "queues/0/failed/", "workers/0/"])
def test_the_policy_allows_the_packages_own_scripts_and_styles(
    root: Client, settings: Any, queue_url: str, page: str
) -> None:
    use(settings, queue_url)
    assert queues.notify(7, "default")
    response = root.get(f"/django-rq/{page}")
    assert response.status_code == 200
    policy = policy_of(response)
    assert policy["style-src"] == ["'self'", "'unsafe-inline'"]
    assert "'unsafe-inline'" not in policy["script-src"]
    for script in inline_scripts(response.content.decode()):
        digest = hashlib.sha256(script.encode()).digest()
        assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy["script-src"]


def test_a_job_of_ours_can_be_looked_at(
    root: Client, settings: Any, queue_url: str
) -> None:
    use(settings, queue_url)
    assert queues.notify(7, "default")
    response = root.get("/django-rq/queues/0/attempt-7/")
    assert response.status_code == 200
    assert queues.RUN_ATTEMPT in response.content.decode()


@pytest.mark.parametrize(
    "page",
    [
        *("queues/9/", "workers/9/", "workers/0/none/", "schedulers/0/"),
        *("queues/0/gone/", "queues/0/gone/delete/", "queues/0/text/"),
    ],
)
def test_what_is_not_there_is_a_404(
    root: Client, settings: Any, queue_url: str, page: str
) -> None:
    use(settings, queue_url)
    with Redis.from_url(queue_url) as queue:
        queue.set("rq:job:text", "no job at all")
    for answer in (root.get(f"/django-rq/{page}"), root.post(f"/django-rq/{page}")):
        assert answer.status_code == 404


def test_only_administrators_may_act_and_it_is_logged(
    root: Client, settings: Any, queue_url: str
) -> None:
    use(settings, queue_url)
    assert queues.notify(7, "default")
    staff = Client()
    staff.force_login(factories.user("staff", is_staff=True))
    url = "/django-rq/queues/0/attempt-7/delete/"
    assert staff.get("/django-rq/").status_code == 403
    assert staff.post(url).status_code == 403
    assert not Event.objects.filter(verb="queue changed").exists()
    assert root.post(url).status_code == 302
    event = Event.objects.get(verb="queue changed")
    assert (event.actor, event.message) == (factories.user("root"), "delete job")
    assert event.data == {"path": url, "jobs": ["attempt-7"]}


@pytest.mark.parametrize("page", ["/", "/admin/", "/experiments/", "/login/"])
def test_no_other_page_has_a_looser_policy(root: Client, page: str) -> None:
    response = root.get(page)
    policy = policy_of(response)
    assert policy["default-src"] == ["'self'"]
    assert "script-src" not in policy and "style-src" not in policy


@pytest.mark.parametrize("page", ["", "queues/0/", "workers/0/", "queues/0/attempt-7/"])
def test_while_the_queue_is_down_the_pages_say_so(root: Client, page: str) -> None:
    response = root.get(f"/django-rq/{page}")
    assert response.status_code == 503
    assert "The queue does not answer" in response.content.decode()


def test_scripts_that_are_filled_in_when_drawn_are_not_allowed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '<script src="a.js"></script><script>one()</script><script>{{ two }}</script>'
    )
    digest = base64.b64encode(hashlib.sha256(b"one()").digest()).decode()
    assert script_digests(tmp_path) == [f"'sha256-{digest}'"]
