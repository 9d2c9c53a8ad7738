"""/cleanup/: what takes the space, by team; quotas and orphans."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from redis import Redis

from experiments.cleanup import quotas
from experiments.cleanup.forecast import Freeing, freeings
from experiments.cleanup.usage import Measured, SpaceGrowth
from experiments.models import (
    CleanupRule,
    Event,
    Orphan,
    Removable,
    SpaceUsage,
    Sweep,
    Team,
    TrashItem,
)
from experiments.pages.cleanup.growth import growth_chart
from experiments.pages.cleanup.space import SpaceQuery, SpaceTree
from experiments.queues import site_jobs
from tests import factories
from tests.pages.clients import client_of, count_queries, page, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]

MB = 1_000_000
PARTS = {"facts", "jobs", "space", "growth"}


def measured(sweep: Sweep, *, size: int = 40 * MB, weeks: int = 4) -> None:
    """The sweep has grown to this size in these weeks."""
    for ago in range(weeks):
        for kind, share in (("artifacts", 0.75), ("logs", 0.25)):
            SpaceUsage.objects.create(
                day=date.today() - timedelta(weeks=ago),
                team=sweep.experiment.team,
                experiment=sweep.experiment,
                sweep=sweep,
                owner=sweep.created_by,
                kind=kind,
                bytes=int(size * share * (weeks - ago) / weeks),
            )


@pytest.fixture
def physics() -> Team:
    return factories.team("Physics", ada="member", vera="viewer")


@pytest.fixture
def sweep(physics: Team) -> Sweep:
    made = factories.sweep(physics, user=factories.user("ada"))
    measured(made)
    return made


@pytest.fixture
def root() -> Client:
    factories.user("root", is_superuser=True, is_staff=True)
    return client_of("root")


def tree(team: Team, opened: str | None = None) -> list[Any]:
    data = {} if opened is None else {"open": opened}
    return list(SpaceTree(Measured([team]), [team], SpaceQuery.read(data)).rows())


def test_before_a_measurement_the_page_says_so(physics: Team) -> None:
    html = page(client_of("vera"), "/cleanup/")
    assert "<h1>Cleanup</h1>" in html
    assert "has not been measured yet" in html
    answer = client_of("vera").get("/cleanup/feed.json")
    assert answer.json()["parts"].keys() == PARTS


def test_the_tree_opens_by_its_urls(physics: Team, sweep: Sweep) -> None:
    names = [(row.level, row.name) for row in tree(physics)]
    assert names == [(0, "Physics"), (1, "digits")]
    opened = f"t{physics.pk},e{sweep.experiment_id}"
    rows = tree(physics, opened)
    assert [row.name for row in rows] == ["Physics", "digits", sweep.label]
    assert {row.amount.bytes for row in rows} == {40 * MB}
    assert rows[0].growth.per_week == pytest.approx(10 * MB)
    assert rows[0].toggle == f"?open=e{sweep.experiment_id}#space"
    assert [row.level for row in tree(physics, "")] == [0]
    html = page(client_of("vera"), f"/cleanup/?open={opened}")
    assert sweep.label in html and "grows by 10 MB a week" in html


def test_kinds_and_people_are_other_views(sweep: Sweep) -> None:
    assert "Artifacts" in page(client_of("ada"), "/cleanup/?by=kind")
    assert ">ada</span>" in page(client_of("ada"), "/cleanup/?by=person")


def test_a_team_sees_no_other(sweep: Sweep, root: Client) -> None:
    biology = factories.sweep(factories.team("Biology", bob="admin"))
    measured(biology, size=7 * MB)
    html = page(client_of("bob"), "/cleanup/")
    assert "<strong>7.0 MB</strong> used" in html and "Physics" not in html
    assert "free on the disk" not in html
    assert "<strong>47 MB</strong> used" in page(root, "/cleanup/")
    table = list(csv.reader(StringIO(text_of(client_of("bob").get(CSV)))))
    assert {row[1] for row in table[1:]} == {"Biology"}


CSV = "/cleanup/space.csv"


def test_the_export_has_a_row_for_each_sweep_and_kind(sweep: Sweep) -> None:
    table = list(csv.DictReader(StringIO(text_of(client_of("ada").get(CSV)))))
    assert [(row["sweep"], row["kind"], row["bytes"]) for row in table] == [
        (sweep.label, "artifacts", str(30 * MB)),
        (sweep.label, "logs", str(10 * MB)),
    ]


def test_the_page_takes_the_same_queries_however_many_sweeps_there_are(
    physics: Team, sweep: Sweep
) -> None:
    url = f"/cleanup/?open=t{physics.pk},e{sweep.experiment_id}"
    few = count_queries(client_of("ada"), url)
    for _ in range(5):
        measured(factories.sweep(physics))
    for number in range(5):
        measured(factories.sweep(factories.team(f"Team {number}", ada="viewer")))
    assert count_queries(client_of("ada"), url) == few <= 40


def test_small_sweeps_of_many_are_one_row(
    physics: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.pages.cleanup.space.MAX_ROWS", 2)
    for size in (5, 3, 2, 1):
        measured(factories.sweep(physics), size=size * 1000, weeks=1)
    experiment = Sweep.objects.latest("pk").experiment_id
    rows = tree(physics, f"t{physics.pk},e{experiment}")
    assert [row.amount.bytes for row in rows if row.level == 2] == [5000, 3000, 3000]
    assert rows[-1].name == "and 2 more"


def test_a_forecast_ends_the_chart() -> None:
    start = date(2026, 1, 5)
    days = [start, start + timedelta(weeks=1)]
    chart = growth_chart(SpaceGrowth(days, [10 * MB, 20 * MB]))
    assert chart is not None
    assert chart.words == "10 MB on 2026-01-05, 20 MB now, 120 MB in 10 weeks"
    assert [tick.text for tick in chart.left] == ["0 B", "50 MB", "100 MB", "150 MB"]
    assert growth_chart(SpaceGrowth(days[:1], [1])) is None
    assert not chart.ruled
    gone = Freeing(timezone.now() + timedelta(weeks=2), 15 * MB, per_week=MB)
    ruled = growth_chart(SpaceGrowth(days, [10 * MB, 20 * MB]), [gone])
    assert ruled is not None and len(ruled.ends) == 2 and ruled.ruled.count("L") == 10
    assert ruled.words.endswith("120 MB in 10 weeks, 97 MB with the rules")


def test_the_forecast_knows_the_trash_and_the_rules_of_the_viewers_teams(
    physics: Team, sweep: Sweep
) -> None:
    assert freeings([physics]) == []
    item = TrashItem.add(Removable.SWEEP, "digits-9", physics.pk, bytes=9 * MB)
    TrashItem.objects.filter(pk=item.pk).update(freed=MB)
    rule = CleanupRule.objects.create(
        team=physics, selection={"kind": "logs", "older_than": 7}, bytes=6 * MB
    )
    CleanupRule.objects.create(team=physics, enabled=False, bytes=5 * MB)
    CleanupRule.objects.create(team=physics, problem="It was deleted.", bytes=MB)
    age = timedelta(weeks=4)
    Team.objects.filter(pk=physics.pk).update(created_at=timezone.now() - age)
    trashed, ruled = freeings([physics])
    assert (trashed.at, trashed.bytes, trashed.per_week) == (item.until, 8 * MB, 0)
    assert ruled.bytes == 6 * MB and ruled.per_week == pytest.approx(2 * MB, rel=0.01)
    html = page(client_of("vera"), "/cleanup/")
    assert ">with the rules</text>" in html
    assert freeings([factories.team("Biology", bob="admin")]) == []
    # What the rule does each week is in the measured growth once it has run.
    CleanupRule.objects.filter(pk=rule.pk).update(last_run_at=timezone.now())
    assert freeings([physics])[1].per_week == 0
    CleanupRule.objects.create(
        team=physics, selection={"kind": CleanupRule.TRASH}, enabled=False
    )
    assert [each.bytes for each in freeings([physics])] == [8 * MB]


def test_the_tree_says_what_must_stay_and_why(physics: Team, sweep: Sweep) -> None:
    kept = factories.sweep(physics, tags={"keep": ""}, state="completed")
    free = factories.sweep(physics, state="completed")
    Sweep.objects.filter(pk=sweep.pk).update(state="running")
    for other in (kept, free):
        measured(other)
    opened = f"t{physics.pk},e{sweep.experiment_id}"
    found = {row.name: row.protected for row in tree(physics, opened)}
    assert found[sweep.label] == "running"
    assert found[kept.label] == "tagged keep"
    assert found[free.label] == found["Physics"] == ""
    assert "tagged keep</td>" in page(client_of("vera"), f"/cleanup/?open={opened}")


# --- measuring, quotas, orphans -------------------------------------------------------


def test_measure_again_starts_the_job_and_the_page_shows_it(
    physics: Team, redis: Redis
) -> None:
    ada = client_of("ada")
    assert ada.post("/cleanup/measure/").status_code == 302
    assert site_jobs.site_queue().job_ids == ["measure"]
    shown = page(ada, "/cleanup/")
    assert "Measuring the space. The sizes here change" in shown
    assert "waits for its turn" in shown
    queue = site_jobs.site_queue()
    queue.enqueue_call(site_jobs.SIMULATE, job_id="other")
    redis.zadd(queue.started_job_registry.key, {"other:1": 2e9})
    assert "waits for a simulation" in page(ada, "/cleanup/")


def test_an_administrator_changes_a_quota(
    physics: Team, sweep: Sweep, root: Client
) -> None:
    url = f"/cleanup/quotas/{physics.slug}/"
    assert client_of("ada").post(url, {"quota": "1 GB"}).status_code == 403
    answer = root.post(url, {"quota": "45 MB"}, follow=True)
    assert "Team Physics may use 45 MB." in text_of(answer)
    html = page(client_of("ada"), "/cleanup/")
    assert (
        "40 MB" in html and "of 45 MB" in html and "Its new trials then wait." in html
    )
    answer = root.post(url, {"quota": "a lot"}, follow=True)
    assert "&quot;a lot&quot; is not a size." in text_of(answer)
    root.post(url, {"quota": "30MB"})
    assert "Over its quota: new trials wait." in page(client_of("ada"), "/cleanup/")
    root.post(url, {"quota": ""})
    physics.refresh_from_db()
    assert physics.quota_bytes is None and physics.over_quota_since is None


def test_orphans_are_offered_to_administrators_and_removed_by_a_job(
    physics: Team, root: Client, redis: Redis
) -> None:
    Orphan.objects.create(kind="attempt", name="4711", bytes=5 * MB, files=2)
    Orphan.objects.create(kind="missing", name="4711", bytes=9 * MB)
    assert "4711" not in page(client_of("ada"), "/cleanup/")
    assert client_of("ada").get("/cleanup/orphans/").status_code == 403
    assert "Orphans, 5.0 MB" in page(root, "/cleanup/")
    assert "Remove 2 orphans?" in page(root, "/cleanup/orphans/")
    assert root.post("/cleanup/orphans/").status_code == 302
    job = site_jobs.site_queue().fetch_job("orphans")
    assert job is not None and job.func_name.endswith("orphans.remove_listed")
    job.func(*job.args)
    assert not Orphan.objects.exists()
    events = Event.objects.exclude(verb="refused").order_by("pk")
    assert list(events.values_list("verb", "actor_name")) == [
        ("removal of orphans started", "root"),
        ("orphans removed", "root"),
    ]


def test_the_health_page_shows_what_was_measured(sweep: Sweep, root: Client) -> None:
    quotas.judge()
    html = page(root, "/health/")
    assert "<dt>Artifacts</dt><dd>30 MB</dd>" in html
