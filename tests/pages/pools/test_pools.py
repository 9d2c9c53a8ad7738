"""Pools: what every slot does, and who waits and why."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from experiments.db.clock import database_now
from experiments.models import Attempt, Pool, Sweep, Team, Worker, WorkerToken
from tests import factories
from tests.pages.clients import count_queries
from tests.pages.pools.pool_hosts import gpu_host, page, put, silence

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
HOSTILE = "<script>alert(1)</script>"


# --- who sees what --------------------------------------------------------------------


def test_viewers_see_their_pools_and_no_actions(client: Client, pool: Pool) -> None:
    factories.worker(pool)
    client.force_login(factories.user("vera"))
    for url in ("/pools/", "/pools/default/", "/pools/default/start/"):
        text = page(client, url)
        assert "default" in text
        for action in ("Drain host", "Edit pool", "New pool", "Make a worker token"):
            assert action not in text


def test_a_pool_of_other_teams_does_not_exist(ada: Client) -> None:
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
    assert "Your teams have no pools yet" in page(client)


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
    attempts.update(pool=pool, dispatched_to=worker, dispatched_at=database_now())
    factories.trial(factories.sweep(team))
    text = page(ada)
    assert "about to start" in text and "0 free" in text and "all busy" in text
    assert "No slot of pool default is free." in text
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
    assert "Your team has nothing waiting" in mine
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


# --- how much it asks -----------------------------------------------------------------


def test_the_number_of_queries_is_fixed(ada: Client, team: Team, pool: Pool) -> None:
    sweep = factories.sweep(team)

    def queries() -> int:
        cache.clear()
        return count_queries(ada, "/pools/")

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


def test_a_silent_host_is_no_worry_while_another_worker_of_its_machine_runs(
    root: Client, pool: Pool
) -> None:
    factories.worker(pool, name="vm")
    old = factories.worker(pool, name="vm-2")
    Worker.objects.filter(pk=old.pk).update(host="vm")
    silence(old, minutes=5)
    assert "vm-2 is silent" in page(root)
    silence(old, minutes=41)
    text = page(root)
    assert "Needs attention" not in text
    assert "silent since" in text
    Worker.objects.filter(pk=old.pk).update(host="other")
    assert "vm-2 is silent" in page(root)
