"""Pools: what every slot does, who waits and why, and what admins do about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from experiments import lifecycle
from experiments.clock import database_now
from experiments.models import Attempt, Event, Pool, Sweep, Team, Worker, WorkerToken
from experiments.pages.pools import busy
from experiments.tokens import token_digest
from tests import factories

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def team() -> Team:
    return factories.team("Physics", ada="member", vera="viewer")


@pytest.fixture
def pool(team: Team) -> Pool:
    return factories.pool(team)


@pytest.fixture
def ada(client: Client, team: Team) -> Client:
    client.force_login(factories.user("ada"))
    return client


@pytest.fixture
def root(team: Team) -> Client:
    client = Client()
    client.force_login(factories.user("root", is_superuser=True))
    return client


def page(client: Client, url: str = "/pools/") -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def gpu_host(pool: Pool, name: str = "gpu", *, slots: int = 4) -> Worker:
    worker = factories.worker(pool, name, slots=slots)
    worker.gpus = [{"index": n, "name": "A4000"} for n in range(slots)]
    worker.save()
    return worker


def put(trial: Any, worker: Worker, slot: int, *, slots: int = 1) -> Attempt:
    """The trial runs in that slot of the worker, and in the next ones."""
    attempts = Attempt.objects.filter(pk=trial.current_attempt_id)
    attempts.update(pool=worker.pool)
    assert lifecycle.claim_attempt(trial.current_attempt_id, worker=worker, slot=slot)
    places = range(slot, slot + slots)
    devices = [device for place in places for device in worker.devices_of(place)]
    attempts.update(slot=slot, slots=slots, gpus=devices)
    return attempts.get()


def silence(worker: Worker, **ago: float) -> None:
    Worker.objects.filter(pk=worker.pk).update(
        seen_at=timezone.now() - timedelta(**ago)
    )


# --- who sees what --------------------------------------------------------------------


def test_viewers_see_their_pools_and_no_actions(client: Client, pool: Pool) -> None:
    factories.worker(pool)
    client.force_login(factories.user("vera"))
    for url in ("/pools/", "/pools/default/", "/pools/default/start/"):
        text = page(client, url)
        assert "default" in text
        for action in ("Drain host", "Edit pool", "New pool", "Make a worker token"):
            assert action not in text


def test_a_pool_of_nobody_one_knows_does_not_exist(ada: Client) -> None:
    factories.pool(factories.team("Chemistry"), "secretpool")
    assert "secretpool" not in page(ada)
    for url in ("/pools/secretpool/", "/pools/secretpool/start/", "/pools/nowhere/"):
        assert ada.get(url).status_code == 404
    assert ada.get("/pools/feed.json", {"pool": "secretpool"}).status_code == 404


ADMIN_URLS = (
    "/pools/new/",
    "/pools/default/edit/",
    "/pools/default/token/",
    "/pools/default/hosts/{pk}/drain/",
    "/pools/default/hosts/{pk}/undrain/",
    "/pools/default/hosts/{pk}/forget/",
)


@pytest.mark.parametrize("url", ADMIN_URLS)
def test_only_admins_of_the_installation_change_pools(
    ada: Client, pool: Pool, url: str
) -> None:
    factories.team("Physics", ada="admin")
    worker = factories.worker(pool)
    assert ada.post(url.format(pk=worker.pk)).status_code == 403
    worker.refresh_from_db()
    assert worker.draining_since is None
    assert not WorkerToken.objects.exists()


def test_somebody_without_a_pool_is_told_so(client: Client) -> None:
    client.force_login(factories.user("alone"))
    assert "Your teams may use no pool yet" in page(client)


# --- the map --------------------------------------------------------------------------


def test_own_trials_show_with_link_and_reports(ada: Client, team: Team) -> None:
    sweep = factories.sweep(team)
    factories.reported_trial(sweep, [0.1] * 4, state="completed")
    trial = factories.reported_trial(sweep, [0.5])
    text = page(ada)
    assert f'href="{trial.get_absolute_url()}"' in text
    assert trial.label in text
    assert "1 of 4" in text
    assert '<rect width="25" height="1"/>' in text
    assert "1 of 2 busy" in text


def test_of_other_teams_only_the_name_shows(ada: Client, pool: Pool) -> None:
    other = factories.team("Chemistry", carl="member")
    document = factories.definition_document(experiment_name="topsecret")
    sweep = factories.sweep(other, document=document)
    trial = factories.reported_trial(sweep, [0.5])
    factories.trial(sweep)
    text = page(ada)
    assert "Chemistry" in text
    assert "topsecret" not in text
    assert trial.get_absolute_url() not in text
    assert "topsecret" not in str(ada.get("/pools/feed.json").json())


def test_a_trial_of_several_gpus_spans_their_slots(ada: Client, pool: Pool) -> None:
    worker = gpu_host(pool)
    trial = factories.trial(factories.sweep(factories.team()))
    put(trial, worker, 1, slots=2)
    text = page(ada)
    assert 'class="place place-own span-2"' in text
    assert "GPU 1 and 2" in text
    assert text.count('class="place place-free') == 2
    assert "4 \N{MULTIPLICATION SIGN} A4000" in text


def test_a_draining_host_says_why_and_how_it_ends(
    ada: Client, root: Client, pool: Pool
) -> None:
    worker = factories.worker(pool)
    put(factories.trial(factories.sweep(factories.team())), worker, 0)
    Worker.objects.update(draining_since=timezone.now(), drain_reason="A new disk")
    text = page(ada)
    assert "draining" in text
    assert ": A new disk. " in text
    assert 'class="place place-closed' in text
    assert "Take trials again" not in text
    assert "Take trials again" in page(root)


def test_a_silent_host_says_since_when_and_what_to_do(root: Client, pool: Pool) -> None:
    worker = factories.worker(pool, slots=3)
    silence(worker, minutes=41)
    text = page(root)
    assert "silent since" in text
    assert "python manage.py worker --pool default --slots 3" in text
    assert f"/pools/default/hosts/{worker.pk}/forget/" in text
    assert "host is silent" in text


def test_a_pool_without_a_worker_shows_the_command(ada: Client, team: Team) -> None:
    text = page(ada)
    assert "python manage.py worker --pool default --slots 2" in text
    start = page(ada, "/pools/default/start/")
    for name in ("REDIS_URL", "SWEEPSITE_URL", "SWEEPSITE_WORKER_TOKEN"):
        assert f"export {name}=" in start


@pytest.mark.parametrize(("free", "told"), [(3.2e9, True), (5e9, False), (0, False)])
def test_a_host_that_is_short_of_disk_says_so(
    ada: Client, pool: Pool, free: float, told: bool
) -> None:
    worker = factories.worker(pool)
    facts = {"cpus": 8, "memory": 33e9, "disk_free": free}
    Worker.objects.filter(pk=worker.pk).update(facts=facts)
    text = page(ada)
    assert "2 slots, 8 cores, 33 GB" in text
    assert ("only 3.2 GB of disk left" in text) == told


def test_names_are_shown_as_the_text_they_are(ada: Client, pool: Pool) -> None:
    Worker.objects.create(
        pool=pool,
        name=HOSTILE,
        host=HOSTILE,
        slots=1,
        version=HOSTILE[:30],
        python=HOSTILE[:30],
        drain_reason=HOSTILE,
        draining_since=timezone.now(),
        gpus=[{"index": 0, "name": HOSTILE}],
        facts={"cpus": HOSTILE, "memory": [1]},
    )
    text = page(ada)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


# --- the queue ------------------------------------------------------------------------


def test_a_promised_slot_is_taken_in_every_part_of_the_page(
    ada: Client, team: Team, pool: Pool
) -> None:
    worker = factories.worker(pool, slots=1)
    trial = factories.trial(factories.sweep(team))
    attempts = Attempt.objects.filter(pk=trial.current_attempt_id)
    attempts.update(pool=pool, rung_for=worker, rung_at=database_now())
    factories.trial(factories.sweep(team))
    text = page(ada)
    assert "about to start" in text and "0 free" in text and "all busy" in text
    assert "The only slot of pool default is taken." in text
    assert "No trial waits for a slot" not in text
    assert "place-free" not in text


def test_what_waits_shows_with_its_reason(ada: Client, team: Team) -> None:
    sweep = factories.sweep(team)
    trial = factories.trial(sweep)
    text = page(ada)
    assert 'class="num ink-3 cell-place">1<' in text
    assert f'href="{trial.get_absolute_url()}"' in text
    assert "<strong>" in text.split('class="wide cell-why"')[1]


def test_of_other_teams_work_in_the_queue_only_the_team_shows(
    ada: Client, pool: Pool
) -> None:
    other = factories.team("Chemistry", carl="member")
    document = factories.definition_document(experiment_name="topsecret")
    factories.trial(factories.sweep(other, document=document))
    text = page(ada)
    assert "another team\N{RIGHT SINGLE QUOTATION MARK}s sweep" in text
    assert "Chemistry" in text
    assert "topsecret" not in text
    mine = page(ada, "/pools/?queue=mine")
    assert "Nothing of your team waits" in mine
    assert "Chemistry" not in mine


def test_a_sweep_that_has_more_to_try_is_not_said_to_want_nothing(
    ada: Client, team: Team, pool: Pool
) -> None:
    worker = factories.worker(pool, slots=1)
    put(factories.trial(factories.sweep(team)), worker, 0)
    text = page(ada)
    assert "Sweeps have more to try" in text and "No trial waits" not in text


def test_an_empty_queue_says_what_it_would_show(ada: Client) -> None:
    assert "Nothing waits" in page(ada)


# --- the feed -------------------------------------------------------------------------


def test_the_feed_sends_only_what_has_changed(
    ada: Client, team: Team, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter("1122")
    monkeypatch.setattr("experiments.pages.pools.views.moment", lambda: next(moments))
    other = factories.pool(team, "other")
    since = ada.get("/pools/").context["since"]
    quiet = ada.get("/pools/feed.json", {"since": since}).json()
    assert quiet == {"since": since, "parts": {}, "final": False}
    factories.worker(other)
    news = ada.get("/pools/feed.json", {"since": since}).json()
    assert f"pool-{other.pk}" in news["parts"]
    assert f"pool-{pool.pk}" not in news["parts"]
    again = ada.get("/pools/feed.json", {"since": news["since"]}).json()
    assert again["parts"] == {}


# --- hosts ----------------------------------------------------------------------------


def test_a_host_is_drained_after_a_question_and_takes_trials_again(
    root: Client, pool: Pool
) -> None:
    worker = factories.worker(pool)
    put(factories.trial(factories.sweep(factories.team())), worker, 0)
    url = f"/pools/default/hosts/{worker.pk}/drain/"
    question = page(root, url)
    assert "Drain host host?" in question
    assert "the 1 trial that runs there, to the end" in question
    worker.refresh_from_db()
    assert worker.draining_since is None
    assert root.post(url, {"reason": "a new disk"}).status_code == 302
    worker.refresh_from_db()
    assert worker.draining_since is not None
    assert "a new disk (root)" in worker.drain_reason
    assert "drains already" in root.post(url, follow=True).content.decode()
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
    assert "has 201 characters; up to 200 are kept" in text
    worker.refresh_from_db()
    assert worker.draining_since is None
    assert root.post(url, {"reason": letter * 200}).status_code == 302
    worker.refresh_from_db()
    assert worker.drain_reason == f"{letter * 200} (root)"
    assert escape(letter * 200) in page(root), "nor is it cut where it is shown"


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
    assert "is off the list" in root.post(url, follow=True).content.decode()
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
        ("price_per_hour", "-1", "Write a number from 0 to 999,999"),
        ("price_per_hour", "much", "Write a number from 0 to 999,999"),
        ("price_per_hour", "1e400", "&quot;1e400&quot; is not allowed here"),
        ("price_per_hour", "NaN", "&quot;NaN&quot; is not allowed here"),
        ("folders", "relative/path", "is no whole path"),
        ("folders", "/srv/../etc", "is no whole path"),
        ("folders", HOSTILE, "is no whole path"),
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


# --- how much it asks -----------------------------------------------------------------


def test_the_number_of_queries_is_fixed(ada: Client, team: Team, pool: Pool) -> None:
    sweep = factories.sweep(team)

    def queries() -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as asked:
            page(ada)
        return len(asked)

    worker = factories.worker(pool, "first", slots=2)
    put(factories.trial(sweep), worker, 0)
    factories.trial(sweep)
    few = queries()
    for number in range(5):
        host = gpu_host(pool, f"host-{number}")
        for slot in range(3):
            other = factories.sweep(team)
            Sweep.objects.filter(pk=other.pk).update(pool=pool)
            put(factories.trial(other), host, slot)
            factories.trial(other)
    assert queries() == few


# --- how busy -------------------------------------------------------------------------


def test_busy_time_is_what_lay_in_the_last_hour(pool: Pool) -> None:
    worker = factories.worker(pool, slots=2)
    now = database_now()
    spans = ((90, 45), (30, 0))
    for minutes, ended in spans:
        trial = factories.trial(factories.sweep(factories.team()))
        attempt = put(trial, worker, 0)
        Attempt.objects.filter(pk=attempt.pk).update(
            state="finished",
            claimed_at=now - timedelta(minutes=minutes),
            heartbeat_at=now - timedelta(minutes=ended),
        )
    found = busy.measure([worker], now)[worker.pk]
    assert found.share == pytest.approx(45 / 120)
    assert found.bars[0] == found.bars[-1] == busy.BAR_HEIGHT / 2
    assert found.bars[10] == 0


def test_a_trial_of_two_slots_counts_twice_and_none_more_than_all(pool: Pool) -> None:
    worker = factories.worker(pool, slots=2)
    now = database_now()
    for slots in (2, 1):
        trial = factories.trial(factories.sweep(factories.team()))
        put(trial, worker, 0, slots=slots)
    Attempt.objects.update(claimed_at=now - timedelta(hours=2))
    assert busy.measure([worker], now)[worker.pk].share == pytest.approx(1.0)


def test_a_host_that_did_nothing_was_not_busy(pool: Pool) -> None:
    worker = factories.worker(pool)
    assert busy.measure([worker], database_now())[worker.pk].share == 0
