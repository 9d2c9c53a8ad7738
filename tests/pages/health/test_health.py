"""The health page, the banner of its worst news, and /metrics."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis import Redis

from experiments import queues
from experiments.cleanup import disk, trash
from experiments.db.clock import database_now
from experiments.health import checks
from experiments.health.checks import health_issues
from experiments.health.status import InstallationStatus, work
from experiments.management.embedded_valkey import EmbeddedQueue
from experiments.models import Attempt, SchedulerProcess, Sweep, TrashItem, Worker
from experiments.pages.health.metrics import Family, text_of
from experiments.queues import QueueFacts
from experiments.runner.walls import NO_LANDLOCK
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_cache")]
NOT_ISOLATED = "Trials in pool default are not fully isolated"
GB = 1 << 30
ANSWERS = QueueFacts("Valkey 9.1.2", 5_000_000, 0, "noeviction", {"default": 3})


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(factories.user("root", is_superuser=True))
    return client


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "facts", lambda names: ANSWERS)
    monkeypatch.setattr(queues, "answers", lambda: True)


def heartbeat(**ago: float) -> SchedulerProcess:
    return SchedulerProcess.objects.create(
        host="sched",
        pid=7,
        version="0.1.0",
        heartbeat_at=timezone.now() - timedelta(**ago),
        round_seconds=0.2,
    )


def status_with(**changes: Any) -> InstallationStatus:
    facts: dict[str, Any] = {
        "work": work(database_now()),
        "queue": ANSWERS,
        "database": disk.Database("SQLite", "3.51.3", 9_000_000, wal=4_000_000),
        "disk": disk.Disk(free=50 * GB, total=100 * GB),
    }
    return InstallationStatus(**{**facts, **changes})


def titles(**changes: Any) -> list[str]:
    return [issue.title for issue in health_issues(status_with(**changes))]


# --- who may look ---------------------------------------------------------------------


def test_only_admins_of_the_installation_see_it(client: Client, queue: None) -> None:
    factories.team("Physics", ada="admin")
    client.force_login(factories.user("ada"))
    assert client.get("/health/").status_code == 403
    assert client.get("/health/feed.json").status_code == 403
    assert 'href="/health/"' not in client.get("/").content.decode()


def test_admins_find_it_in_their_menu(root: Client, queue: None) -> None:
    assert 'href="/health/"' in root.get("/settings/").content.decode()


# --- what it shows --------------------------------------------------------------------


def test_it_shows_queue_scheduler_losses_and_disk(root: Client, queue: None) -> None:
    heartbeat(seconds=2)
    sweep = factories.sweep(factories.team())
    trial = factories.trial(sweep)
    factories.claim(trial)
    factories.lose(trial.current_attempt)
    text = root.get("/health/").content.decode()
    for part in ("Valkey 9.1.2", "noeviction", "sched", "its worker process died"):
        assert part in text
    for part in ("free on disk", "external, at 127.0.0.1:6379", "1 running"):
        assert part in text


def test_the_queue_s_password_is_not_shown(
    root: Client, settings: Any, queue: None
) -> None:
    settings.REDIS_URL = "redis://:hunter2@queue.example:6380/0"
    text = root.get("/health/").content.decode()
    assert "queue.example:6380" in text
    assert "hunter2" not in text


def test_while_the_queue_is_away_the_page_is_there(root: Client) -> None:
    answer = root.get("/health/")
    assert answer.status_code == 200
    assert "The queue does not answer" in answer.content.decode()
    assert "check REDIS_URL" in answer.content.decode()


def test_up_restarts_its_own_queue(root: Client, settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    (tmp_path / "redis_url").write_text(settings.REDIS_URL)
    text = root.get("/health/").content.decode()
    assert "restarts it within seconds" in text
    assert "check REDIS_URL" not in text


def test_the_feed_sends_what_has_changed(
    root: Client, queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter("1122")
    monkeypatch.setattr("experiments.pages.health.views.moment", lambda: next(moments))
    page = root.get("/health/")
    since = page.context["since"]
    quiet = root.get("/health/feed.json", {"since": since}).json()
    assert (quiet["parts"], quiet["since"]) == ({}, since)
    heartbeat(seconds=0)
    news = root.get("/health/feed.json", {"since": since}).json()
    assert "schedulers" in news["parts"]
    assert "disk" not in news["parts"]


# --- issues ---------------------------------------------------------------------------


def test_all_is_well_on_a_healthy_installation() -> None:
    heartbeat(seconds=3)
    assert titles() == []


def test_no_scheduler_for_half_a_minute_is_a_worry() -> None:
    assert titles() == ["No scheduler runs"]
    row = heartbeat(seconds=20)
    assert titles() == []
    SchedulerProcess.objects.filter(pk=row.pk).update(
        heartbeat_at=timezone.now() - timedelta(seconds=40)
    )
    assert titles() == ["No scheduler runs"]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"queue": None}, "The queue does not answer"),
        (
            {"queue": QueueFacts("Redis 8", 85, 100, "noeviction", {})},
            "The queue's memory is nearly full",
        ),
        (
            {"queue": QueueFacts("Redis 8", 1, 100, "allkeys-lru", {})},
            "The queue may drop jobs",
        ),
        (
            {"disk": disk.Disk(free=4 * GB, total=100 * GB)},
            "The disk of the data folder is nearly full",
        ),
        (
            {"disk": disk.Disk(free=0, total=GB, holds="logs and outputs")},
            "The disk of logs and outputs is full",
        ),
        (
            {"queue": QueueFacts("Redis 8", 96, 100, "noeviction", {})},
            "The queue's memory is full",
        ),
        (
            {"database": disk.Database("SQLite", "3.51.3", 1, wal=300 << 20)},
            "The database's write-ahead log is large",
        ),
        (
            {"database": disk.Database("PostgreSQL", "18", 1, None, 90, 100)},
            "PostgreSQL is short of connections",
        ),
    ],
)
def test_what_is_wrong_has_its_worry(changes: dict[str, Any], title: str) -> None:
    heartbeat(seconds=1)
    assert titles(**changes) == [title]


@pytest.mark.parametrize(
    ("address", "database", "worries"),
    [
        ("unix:///run/valkey.sock", {"HOST": ""}, []),
        ("redis://:secret@127.0.0.1:6379/0", {"HOST": "/run/postgresql"}, []),
        ("redis://[::1]:6379/0", {"HOST": "localhost"}, []),
        ("rediss://queue.example.org/0", {"HOST": "10.0.0.7"}, ["database"]),
        ("redis://queue.example.org/0", {"HOST": "::1"}, ["queue"]),
        (
            "rediss://10.0.0.8/0",
            {"HOST": "db.example.org", "OPTIONS": {"sslmode": "require"}},
            [],
        ),
        (
            "redis://10.0.0.8/0",
            {"HOST": "db.example.org", "OPTIONS": {"sslmode": "prefer"}},
            ["queue", "database"],
        ),
    ],
)
def test_a_plain_connection_to_another_machine_is_a_worry(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    database: dict[str, Any],
    worries: list[str],
) -> None:
    heartbeat(seconds=1)
    found = status_with()
    settings.REDIS_URL = address
    for name in ("HOST", "OPTIONS"):
        monkeypatch.setitem(connection.settings_dict, name, database.get(name, {}))
    assert [issue.title for issue in health_issues(found)] == [
        f"The connection to the {what} is not encrypted" for what in worries
    ]


def test_limits_are_not_worries() -> None:
    heartbeat(seconds=1)
    assert titles(disk=disk.Disk(free=5 * GB, total=100 * GB)) == []
    assert titles(queue=QueueFacts("Redis 8", 80, 100, "noeviction", {})) == []
    wal = disk.Database("SQLite", "3.51.3", 1, wal=256 << 20)
    assert titles(database=wal) == []


def test_trials_that_wait_in_a_pool_without_worker_are_a_worry() -> None:
    heartbeat(seconds=1)
    factories.trial(factories.sweep(factories.team()))
    assert titles() == ["Pool default has no slot that takes trials"]
    worker = factories.worker(factories.pool(factories.team()))
    assert titles() == []
    Worker.objects.filter(pk=worker.pk).update(draining_since=timezone.now())
    assert titles() == ["Pool default has no slot that takes trials"]


def test_a_host_that_does_not_isolate_trials_is_a_worry() -> None:
    heartbeat(seconds=1)
    worker = factories.worker(factories.pool(factories.team()))
    for weakness, titled in (("", []), (NO_LANDLOCK, [NOT_ISOLATED])):
        facts = {**worker.facts, "weakness": weakness}
        Worker.objects.filter(pk=worker.pk).update(facts=facts)
        assert titles() == titled


def test_trials_past_their_lease_are_a_worry(settings: Any) -> None:
    heartbeat(seconds=1)
    trial = factories.trial(factories.sweep(factories.team()))
    attempt = factories.claim(trial).attempt
    assert titles() == []
    late = timezone.now() - timedelta(seconds=settings.LEASE_SECONDS + 5)
    Attempt.objects.filter(pk=attempt.pk).update(heartbeat_at=late)
    assert titles() == ["1 running trial past the lease"]


def test_losses_are_counted_by_reason_and_time() -> None:
    sweep = factories.sweep(factories.team())
    for hours in (0.5, 5, 50):
        trial = factories.trial(sweep)
        attempt = factories.claim(trial).attempt
        factories.lose(attempt)
        Attempt.objects.filter(pk=attempt.pk).update(
            ended_at=timezone.now() - timedelta(hours=hours)
        )
    (loss,) = work(database_now()).losses
    assert (loss.reason, loss.hour, loss.day, loss.total) == ("worker_died", 1, 2, 3)


# --- the banner -----------------------------------------------------------------------


def test_admins_are_told_on_every_page_that_the_scheduler_is_away(
    root: Client, queue: None
) -> None:
    heartbeat(minutes=5)
    assert "No scheduler runs" in root.get("/settings/").content.decode()
    cache.clear()
    SchedulerProcess.objects.update(heartbeat_at=timezone.now())
    assert "No scheduler runs" not in root.get("/settings/").content.decode()


def test_a_site_that_has_just_started_gives_its_scheduler_a_moment(
    root: Client, queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "START_TIME", 1e9)
    assert "No scheduler runs" not in root.get("/settings/").content.decode()
    cache.clear()
    monkeypatch.setattr(checks, "START_TIME", 0.0)
    assert "No scheduler runs" in root.get("/settings/").content.decode()


def test_the_banner_says_that_the_queue_is_away_and_only_to_admins(
    root: Client,
) -> None:
    heartbeat(seconds=1)
    assert "The queue does not answer" in root.get("/settings/").content.decode()
    factories.team("Physics", ada="admin")
    root.force_login(factories.user("ada"))
    assert "The queue does not answer" not in root.get("/settings/").content.decode()


def test_the_banner_says_that_the_queue_is_full(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat(seconds=1)
    full = QueueFacts("Redis 8", 99, 100, "noeviction", {})
    monkeypatch.setattr(queues, "facts", lambda names: full)
    assert "memory is full" in root.get("/settings/").content.decode()


@pytest.mark.parametrize(
    ("free", "total", "shown"),
    [
        (0, 100 * GB, "data folder is full"),
        (GB // 2, 100 * GB, "data folder is nearly full"),
        (4 * GB, 100 * GB, ""),
        (GB // 2, GB, ""),
    ],
)
def test_the_banner_says_that_a_disk_is_full(
    root: Client,
    queue: None,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    total: int,
    shown: str,
) -> None:
    heartbeat(seconds=1)
    monkeypatch.setattr(checks, "fullest_disk", lambda: disk.Disk(free, total))
    page = root.get("/settings/").content.decode()
    assert shown in page
    assert ("The disk of" in page) == bool(shown)


def test_the_fullest_of_the_disks_counts(
    monkeypatch: pytest.MonkeyPatch, own_data_folder: None, tmp_path: Path
) -> None:
    def usage(folder: Path) -> Any:
        store = Path(folder).name == "store"
        if not Path(folder).exists():
            raise FileNotFoundError(folder)
        return SimpleNamespace(free=1 if store else 50, total=100)

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert disk.fullest_disk().free == 50
    (tmp_path / "store").mkdir()
    assert disk.fullest_disk() == disk.Disk(1, 100, "logs and outputs")


def test_the_banner_asks_now_and_then(root: Client, queue: None) -> None:
    heartbeat(seconds=1)
    root.get("/settings/")
    with CaptureQueriesContext(connection) as asked:
        root.get("/settings/")
    assert not [q for q in asked if "schedulerprocess" in q["sql"]]


# --- /metrics -------------------------------------------------------------------------


def scrape(client: Client, token: str) -> Any:
    return client.get("/metrics", headers={"Authorization": f"Bearer {token}"})


def samples(text: str) -> dict[str, float]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {name: float(n) for name, n in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.parametrize("scope", ["read", "admin"])
def test_an_admins_token_of_any_scope_reads_the_numbers(
    client: Client, queue: None, scope: str
) -> None:
    admin = factories.user("root", is_superuser=True)
    answer = scrape(client, factories.api_token(admin, scope=scope))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_others_do_not_read_them(root: Client, queue: None) -> None:
    factories.team("Physics", ada="admin")
    ada = factories.user("ada")
    admin = factories.user("root")
    refused = [
        "",
        "x",
        "swp_" + "x" * 43,
        factories.api_token(ada, scope="admin"),
        factories.revoked_token(admin),
        factories.worker_token(factories.pool(factories.team())),
    ]
    for token in refused:
        assert scrape(root, token).status_code == 401, token
    # A session is no way in: nobody's browser can be made to fetch it.
    assert root.get("/metrics").status_code == 401
    assert "sweepsite_" not in root.get("/metrics").content.decode()


def test_the_settings_token_opens_this_and_nothing_else(
    client: Client, settings: Any, queue: None
) -> None:
    settings.METRICS_TOKEN = "only-for-prometheus-0123"
    assert scrape(client, settings.METRICS_TOKEN).status_code == 200
    header = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
    assert client.get("/api/v1/sweeps", headers=header).status_code == 401
    settings.METRICS_TOKEN = ""
    assert scrape(client, "").status_code == 401


def test_the_numbers_are_right(client: Client, settings: Any, queue: None) -> None:
    settings.METRICS_TOKEN = "only-for-prometheus-0123"
    heartbeat(seconds=10)
    team = factories.team()
    worker = factories.worker(factories.pool(team), slots=3)
    sweep = factories.sweep(team)
    factories.trial(sweep, state="completed", value=0.5)
    factories.trial(sweep, state="terminated", value=0.3)
    factories.reported_trial(sweep, [0.5])
    lost = factories.trial(sweep)
    factories.claim(lost, slot=1)
    factories.lose(lost.current_attempt)
    Worker.objects.filter(pk=worker.pk).update(name="host")
    Attempt.objects.filter(state="queued").update(
        created_at=timezone.now() - timedelta(seconds=100)
    )
    found = samples(scrape(client, settings.METRICS_TOKEN).content.decode())
    expected = {
        'sweepsite_attempts_queued{pool="default"}': 1,
        'sweepsite_attempts_running{pool="default"}': 1,
        'sweepsite_sweeps{state="running"}': 1,
        'sweepsite_trials_ended_total{state="completed"}': 1,
        'sweepsite_trials_ended_total{state="terminated"}': 1,
        'sweepsite_trials_ended_total{state="failed"}': 0,
        'sweepsite_attempts_lost_total{reason="worker_died"}': 1,
        'sweepsite_queue_depth{pool="default"}': 3,
        "sweepsite_queue_up": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert 99 <= found["sweepsite_oldest_waiting_seconds"] < 200
    assert 9 <= found["sweepsite_scheduler_heartbeat_age_seconds"] < 60
    assert found["sweepsite_disk_free_bytes"] > 0
    total = found['sweepsite_slots{pool="default"}']
    busy = found['sweepsite_slots_busy{pool="default"}']
    assert total == busy + found['sweepsite_slots_free{pool="default"}']
    assert busy == 1


def test_while_the_queue_is_away_the_rest_is_told(
    client: Client, settings: Any
) -> None:
    settings.METRICS_TOKEN = "only-for-prometheus-0123"
    found = samples(scrape(client, settings.METRICS_TOKEN).content.decode())
    assert found["sweepsite_queue_up"] == 0
    assert not [name for name in found if name.startswith("sweepsite_queue_depth")]


def test_the_number_of_queries_is_fixed(
    client: Client, settings: Any, queue: None
) -> None:
    settings.METRICS_TOKEN = "only-for-prometheus-0123"

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert scrape(client, settings.METRICS_TOKEN).status_code == 200
        text = " ".join(query["sql"] for query in asked)
        assert not re.search(r"segment|_report\b", text)
        return len(asked)

    few = queries()
    team = factories.team()
    for number in range(3):
        pool = factories.pool(team, f"pool-{number}")
        for name in ("a", "b"):
            factories.worker(pool, f"{number}{name}")
        sweep = factories.sweep(team)
        Sweep.objects.filter(pk=sweep.pk).update(pool=pool)
        factories.trial(sweep, state="failed")
        factories.trial(sweep)
    assert queries() == few <= 12


def test_text_that_breaks_lines_is_escaped() -> None:
    family = Family("things", "A \\ and\na line.")
    family.add(1.5, name='a"b\\c\nd')
    family.add(None, name="nothing")
    family.add(float("inf"))
    assert text_of([family, Family("empty", "No samples.")]) == (
        "# HELP things A \\\\ and\\na line.\n"
        "# TYPE things gauge\n"
        'things{name="a\\"b\\\\c\\nd"} 1.5\n'
        "things +Inf\n"
    )


def test_a_real_queue_tells_of_itself(settings: Any, queue_url: str) -> None:
    settings.REDIS_URL = queue_url
    queues.shared_connection.cache_clear()
    try:
        queues.notify(1, "default")
        queues.notify(2, queues.queue_name("default", 5))
        names = ["default", queues.queue_name("default", 5)]
        found = queues.facts({"default": names, "other": ["other"]})
    finally:
        queues.shared_connection.cache_clear()
    assert found is not None
    assert found.depths == {"default": 2, "other": 0}
    assert found.server.startswith(("Valkey ", "Redis "))
    assert found.memory > 100_000
    assert found.policy == "noeviction"


def test_an_open_connection_is_no_proof_that_the_queue_can_be_reached(
    redis: Redis,
) -> None:
    socket = Path(redis.connection_pool.connection_kwargs["path"])
    assert queues.notify(1, "default") and queues.answers()
    moved = socket.rename(socket.with_name("elsewhere"))
    try:
        assert redis.ping() and queues.notify(2, "default")
        assert not queues.answers()
        assert queues.facts({}) is None
    finally:
        moved.rename(socket)


@pytest.mark.parametrize(("days", "is_named"), [(1, True), (8, False)])
def test_a_queue_that_was_set_aside_is_named_for_some_days(
    root: Client, queue: None, settings: Any, tmp_path: Path, days: int, is_named: bool
) -> None:
    settings.HOME = tmp_path
    embedded = EmbeddedQueue(tmp_path, say=lambda text: None)
    for _ in range(3):
        embedded.prepare()
    (made,) = tmp_path.glob("queue-damaged-*")
    then = datetime.now() - timedelta(days=days)
    aside = made.rename(tmp_path / f"queue-damaged-{then:%Y%m%d-%H%M%S}")
    text = root.get("/health/").content.decode()
    assert ("files were damaged" in text) is is_named
    assert (str(aside) in text) is is_named


@pytest.mark.django_db
class TestLateDeletions:
    def page(self, client: Client, *, minutes: int) -> str:
        sweep = factories.sweep(factories.team(), state="completed")
        marked = database_now() - timedelta(minutes=minutes)
        trash.move_sweeps(Sweep.objects.filter(pk=sweep.pk), actor=None)
        TrashItem.objects.update(until=marked)
        client.force_login(factories.user("root", is_staff=True, is_superuser=True))
        return client.get("/health/").content.decode()

    def test_a_site_worker_that_does_not_delete_is_named(self, client: Client) -> None:
        page = self.page(client, minutes=6)
        assert "1 deletion waiting for over 5 minutes" in page
        assert "manage.py worker --site" in page

    def test_a_new_deletion_is_not_an_issue(self, client: Client) -> None:
        assert "waiting for over 5 minutes" not in self.page(client, minutes=4)
