"""What one very long training costs: ``python -m tests.benchmarks.long_trial``.

Stores a running trial with a million reports in a throw-away database, adds some over
HTTP, and opens the pages and curves that show it. For PostgreSQL start it by
``python -m tests.postgres python -m tests.benchmarks.long_trial``.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
POLICY = {"type": "median_stopping", "delay_evaluation": 10}
BATCH = 1_000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--verdicts", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5, help="how often to open each")
    return parser.parse_args()


def main() -> None:
    import django

    django.setup()
    logging.disable(logging.WARNING)
    from django.core.management import call_command
    from django.db import connection

    wanted = arguments()
    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    live, user = long_trial(wanted.points, verdicts=wanted.verdicts)
    print(
        f"{connection.vendor}: a trial of {wanted.points:,} reports and"
        f" {wanted.verdicts:,} verdicts stored in {time.perf_counter() - started:.0f} s"
    )
    seconds = reported(live, points=5 * BATCH)
    print(f"  {5 * BATCH:,} more over HTTP: {5 * BATCH / seconds:,.0f} a second")
    show(live.trial, user, wanted)
    seconds = compacted(live.trial)
    print(f"  its points rewritten after its end in {seconds:.2f} s")
    show(live.trial, user, wanted)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"  memory of the process at its peak: {most:,.0f} MB")


def show(trial: Any, user: Any, wanted: argparse.Namespace) -> None:
    """The space that the points take, and how long each page takes to open."""
    each = table_bytes() / wanted.points
    print(f"  {each:.1f} bytes for each of {wanted.points:,} points")
    for path, times, size in opened(trial, user, times=wanted.times):
        print(
            f"  {path}: median {sorted(times)[len(times) // 2]:.2f} s,"
            f" most {max(times):.2f}, {size / 1e3:,.0f} kB",
            flush=True,
        )


def table_bytes() -> int:
    """Of the tables and indexes of metrics."""
    from django.db import connection

    tables = "'experiments_metric', 'experiments_segment'"
    query = (
        "SELECT SUM(pg_total_relation_size(relid)) FROM pg_stat_user_tables"
        f" WHERE relname IN ({tables})"
    )
    if connection.vendor == "sqlite":
        query = (
            "SELECT SUM(s.pgsize) FROM dbstat s JOIN sqlite_master m ON s.name = m.name"
            f" WHERE m.tbl_name IN ({tables})"
        )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


def compacted(trial: Any) -> float:
    """Seconds to rewrite the points of the trial, which ends now."""
    from django.db import connection
    from django.utils import timezone

    from experiments.models import Attempt
    from experiments.tracking.compaction import compact

    own = Attempt.objects.filter(trial=trial)
    own.update(state="finished", ended_at=timezone.now())
    began = time.perf_counter()
    compact(trial.current_attempt_id)
    seconds = time.perf_counter() - began
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM FULL experiments_segment")
    return seconds


def long_trial(points: int, *, verdicts: int) -> tuple[Any, Any]:
    """A running trial, a completed one, and a user who may see them."""
    from django.db import transaction

    from experiments.models import Decision, Sweep
    from experiments.tokens import new_token
    from tests import factories
    from tests.benchmarks import large_sweep

    team = factories.team(ada="member")
    sweep = factories.sweep(team)
    Sweep.objects.filter(pk=sweep.pk).update(early_termination=POLICY)
    values = np.random.default_rng(0).normal(0.5, 0.1, size=(2, points))
    token = new_token("trl")
    with transaction.atomic():
        trial = _stored(sweep, values, token)
        Decision.objects.bulk_create(_verdicts(trial, verdicts), batch_size=2_000)
    large_sweep.analyze()
    return large_sweep.LiveTrial(trial, token), factories.user("ada")


def _stored(sweep: Any, values: Any, token: Any) -> Any:
    """The running one of two trials with these values."""
    from experiments.models import Segment
    from tests.benchmarks import large_sweep

    points = values.shape[1]
    rows = large_sweep.make_trials(sweep, [100, points], values, {1: token})
    metrics = large_sweep.make_metrics(rows)
    large_sweep.insert(
        Segment,
        large_sweep.SEGMENT_COLUMNS,
        large_sweep.segment_rows(metrics, values, size=128, pause=100_000),
    )
    return rows[1]


def _verdicts(trial: Any, count: int) -> Iterator[Any]:
    from experiments.models import Decision

    for n in range(trial.reports - count, trial.reports):
        yield Decision(
            trial=trial,
            attempt=trial.current_attempt,
            policy=POLICY["type"],
            settings=POLICY,
            n=n + 1,
            value=0.9,
            threshold=0.5,
            rivals=1,
            setters=[0],
            stop=False,
            reason="Its best is not behind the median.",
        )


def reported(live: Any, *, points: int) -> float:
    """Seconds for this many further points of another metric, by the thousand."""
    from django.test import Client

    client, began = Client(), time.perf_counter()
    for start in range(0, points, BATCH):
        batch = [
            {"name": "loss", "step": step, "value": 1 / (1 + step)}
            for step in range(start, start + BATCH)
        ]
        answer = client.post(
            f"/api/v1/trials/{live.trial.pk}/metrics",
            {"points": batch},
            content_type="application/json",
            headers={"Authorization": f"Bearer {live.token.secret}"},
        )
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code}: {answer.content[:300]!r}")
    return time.perf_counter() - began


def opened(
    trial: Any, user: Any, *, times: int
) -> Iterator[tuple[str, list[float], int]]:
    """Every page and curve that shows the trial: path, seconds of each try, bytes."""
    from django.test import Client

    from tests.factories import api_token

    client, page = Client(), trial.get_absolute_url()
    client.force_login(user)
    headers = {"Authorization": f"Bearer {api_token(user)}"}
    for path in (
        page,
        f"{page}?metric=accuracy",
        f"{page}?decisions=all",
        f"{page}feed.json",
        trial.sweep.get_absolute_url(),
        f"/compare/?trials={trial.pk}",
        f"/api/v1/trials/{trial.pk}",
        f"/api/v1/trials/{trial.pk}/metrics?downsample=1000",
        f"/api/v1/trials/{trial.pk}/metrics?limit=10000",
    ):
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            answer = client.get(path, headers=headers)
            seconds.append(time.perf_counter() - began)
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status_code}")
        yield path, seconds, len(answer.content)


if __name__ == "__main__":
    main()
