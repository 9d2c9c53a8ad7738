"""A stored sweep of any size, written past the application as fast as rows go in.

Its curves are random; its last trials still run, each after another report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from numpy.typing import NDArray

from experiments.models import (
    Attempt,
    Metric,
    Segment,
    Sweep,
    Trial,
)
from experiments.tokens import Token, new_token
from experiments.tracking import codec
from tests import factories

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LiveTrial:
    """A running trial, and the token that its process would report with."""

    trial: Trial
    token: Token


@dataclass(frozen=True)
class LargeSweep:
    sweep: Sweep
    live: Sequence[LiveTrial]


def large_sweep(trials: int, reports: int, *, live: int, seed: int = 0) -> LargeSweep:
    """A sweep with this many trials and reports; ``live`` more run."""
    random = np.random.default_rng(seed)
    made = factories.sweep(factories.team())
    Sweep.objects.filter(pk=made.pk).update(
        max_total_trials=100_000, max_concurrent_trials=10_000
    )
    made.refresh_from_db()
    lengths = [reports] * trials
    lengths += [int(n) for n in random.integers(1, reports, size=live)]
    values = curves_of(random, len(lengths), reports, live)
    tokens = {number: new_token("trl") for number in range(trials, len(lengths))}
    rows = make_trials(made, lengths, values, tokens)
    with transaction.atomic():
        insert(Segment, SEGMENT_COLUMNS, segment_rows(make_metrics(rows), values))
    analyze()
    running = [LiveTrial(trial, tokens[trial.number]) for trial in rows[trials:]]
    return LargeSweep(made, running)


def curves_of(random: Any, trials: int, reports: int, live: int) -> Floats:
    """Accuracies that rise; those of the running trials are good ones."""
    level = random.uniform(0.3, 0.9, size=trials)
    level[trials - live :] = 0.92
    speed = random.uniform(0.02, 0.2, size=trials)
    n = np.arange(1, reports + 1)
    curves = level[:, None] * (1 - np.exp(-speed[:, None] * n))
    return curves + random.normal(0, 0.01, size=curves.shape)


def make_trials(
    sweep: Sweep, lengths: Sequence[int], values: Floats, tokens: dict[int, Token]
) -> list[Trial]:
    now = timezone.now()
    rows = Trial.objects.bulk_create(
        (
            Trial(
                experiment=sweep.experiment,
                sweep=sweep,
                number=number,
                params={"x": 0.5},
                origin="random",
                state="running" if number in tokens else "completed",
                reports=length,
                value=float(values[number, :length].max()),
                last_value=float(values[number, length - 1]),
                started_at=now,
                ended_at=None if number in tokens else now,
            )
            for number, length in enumerate(lengths)
        ),
        batch_size=1_000,
    )
    attempts = Attempt.objects.bulk_create(
        (_attempt(trial, tokens.get(trial.number)) for trial in rows), batch_size=1_000
    )
    for trial, attempt in zip(rows, attempts, strict=True):
        trial.current_attempt = attempt
    own = Attempt.objects.filter(trial=OuterRef("pk")).values("pk")
    Trial.objects.filter(sweep=sweep).update(current_attempt=Subquery(own))
    return rows


def _attempt(trial: Trial, token: Token | None) -> Attempt:
    return Attempt(
        trial=trial,
        n=1,
        pool_id=trial.sweep.pool_id if trial.sweep else 0,
        state="running" if token else "finished",
        elapsed=100.0,
        claimed_at=timezone.now(),
        trial_token_digest=token.digest if token else "",
    )


def make_metrics(rows: Iterable[Trial]) -> list[Metric]:
    return Metric.objects.bulk_create(
        (
            Metric(
                attempt_id=trial.current_attempt_id or 0,
                name="accuracy",
                count=trial.reports,
                last_step=trial.reports - 1,
                last_time=BEGAN + trial.reports - 1,
            )
            for trial in rows
        ),
        batch_size=1_000,
    )


# Microseconds since 1970.
BEGAN = 1_700_000_000_000_000
SEGMENT_COLUMNS = ("metric_id", *codec.SegmentRow._fields)


def segment_rows(
    metrics: Sequence[Metric],
    values: Floats,
    *,
    size: int = codec.MAX_SEGMENT,
    pause: int = 1,
) -> Iterator[tuple[Any, ...]]:
    """Segments of this size; up to so many microseconds from one point to the next."""
    random = np.random.default_rng(0)
    for metric, curve in zip(metrics, values, strict=True):
        points = np.empty(metric.count, codec.RECORD)
        points["step"] = np.arange(metric.count)
        pauses = random.integers((pause + 1) // 2, pause + 1, metric.count)
        points["arrived"] = BEGAN + np.cumsum(pauses)
        late = random.integers(0, 1 + pause // 20, metric.count)
        points["time"] = points["arrived"] - late
        points["value"] = curve[: metric.count]
        for first in range(0, metric.count, size):
            for row in codec.cut(points[first : first + size], first):
                yield metric.pk, *row


# --- SQL --------------------------------------------------------------------------


def insert(model: Any, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    table, names = model._meta.db_table, ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join("?" for _ in columns)
        statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'
        cursor.connection.executemany(statement, rows)


def analyze() -> None:
    """As the server does by itself after a while; it is not vacuumed."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
