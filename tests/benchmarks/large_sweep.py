"""A stored sweep of any size, written past the application as fast as rows go in.

Its curves are random; its last trials still run, each after another report.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from numpy.typing import NDArray

from experiments.models import (
    Attempt,
    Metric,
    RankBlock,
    Report,
    Segment,
    Sweep,
    Trial,
    ranks,
)
from experiments.tokens import Token, new_token
from experiments.tracking import codec
from experiments.tracking.codec import MAX_SEGMENT, MIN_SEGMENT, SegmentRow
from tests import factories

Floats = NDArray[np.float64]
PLAIN_INDEXES = ("report_by_best", "report_by_mean")


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
    with without(PLAIN_INDEXES), transaction.atomic():
        insert(Report, REPORT_COLUMNS, report_rows(made, rows, values))
        make_series(rows, values)
    _count(made, lengths, values)
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
    Trial.objects.bulk_update(rows, ["current_attempt"], batch_size=500)
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


def make_series(rows: Sequence[Trial], values: Floats) -> None:
    """Their points: in small segments of those that run, in large ones of others."""
    metrics = Metric.objects.bulk_create(
        (
            Metric(
                attempt_id=trial.current_attempt_id or 0,
                name="accuracy",
                count=trial.reports,
                last_step=trial.reports - 1,
            )
            for trial in rows
        ),
        batch_size=1_000,
    )
    series = zip(metrics, rows, values, strict=True)
    Segment.objects.bulk_create(
        (
            Segment(metric=metric, **row._asdict())
            for metric, trial, curve in series
            for row in _cuts(trial, curve)
        ),
        batch_size=500,
    )


def _cuts(trial: Trial, values: Floats) -> Iterator[SegmentRow]:
    """A report each tenth of a second, on a clock and a way of varying length."""
    random, count = np.random.default_rng(trial.number), trial.reports
    points = np.empty(count, codec.RECORD)
    points["step"] = np.arange(count)
    points["value"] = values[:count]
    start = codec.microseconds(timezone.now()) - 100_000 * count
    points["time"] = start + np.cumsum(random.integers(90_000, 110_000, count))
    points["arrived"] = points["time"] + random.integers(1_000, 5_000, count)
    size = MIN_SEGMENT if trial.state == "running" else MAX_SEGMENT
    for first in range(0, count, size):
        yield from codec.cut(points[first : first + size], first)


REPORT_COLUMNS = (
    *("sweep_id", "trial_id", "number", "n", "step", "value"),
    *("best_loss", "mean_loss", "finite", "time"),
)


def report_rows(
    sweep: Sweep, rows: Sequence[Trial], values: Floats
) -> Iterator[tuple[Any, ...]]:
    now = timezone.now()
    for trial, curve in zip(rows, values, strict=True):
        bests, means = _losses(curve[None, : trial.reports])
        losses = zip(curve.tolist(), bests[0].tolist(), means[0].tolist(), strict=False)
        for n, (value, best, mean) in enumerate(losses, 1):
            head = (sweep.pk, trial.pk, trial.number, n, n - 1, value)
            yield (*head, best, mean, n, now)


def _losses(curves: Floats) -> tuple[Floats, Floats]:
    """Best and mean loss after each report, one row a trial."""
    n = np.arange(1, curves.shape[1] + 1)
    best = np.minimum.accumulate(-curves, axis=1)
    return best, np.cumsum(-curves, axis=1) / n


def _count(sweep: Sweep, lengths: Sequence[int], values: Floats) -> None:
    """The blocks that ranks.py would have made."""
    reached = np.array(lengths)[:, None] > np.arange(values.shape[1])
    for measure, losses in zip(ranks.COLUMNS, _losses(values), strict=True):
        for index in range(values.shape[1]):
            column = np.sort(losses[reached[:, index], index]).tolist()
            blocks = _blocks(sweep, index + 1, int(measure), column)
            RankBlock.objects.bulk_create(blocks)


def _blocks(
    sweep: Sweep, n: int, measure: int, losses: list[float]
) -> Iterator[RankBlock]:
    low, before = -math.inf, 0
    for high, end in [*ranks.cuts(losses), (math.inf, len(losses))]:
        bounds = {"low": low, "high": high, "count": end - before}
        yield RankBlock(sweep=sweep, n=n, measure=measure, **bounds)
        low, before = high, end


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
        cursor.connection.executemany(statement, map(_sqlite_row, rows))


def _sqlite_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*row[:-1], row[-1].strftime("%Y-%m-%d %H:%M:%S.%f"))


class without:
    """Some plain indexes of reports away, and made again at the end."""

    def __init__(self, names: Sequence[str]) -> None:
        self._indexes = [i for i in Report._meta.indexes if i.name in names]

    def __enter__(self) -> None:
        with connection.cursor() as cursor:
            for index in self._indexes:
                cursor.execute(f'DROP INDEX "{index.name}"')

    def __exit__(self, *_: object) -> None:
        with connection.cursor() as cursor:
            for index in self._indexes:
                fields = ", ".join(
                    f'"{Report._meta.get_field(name).column}"' for name in index.fields
                )
                table = Report._meta.db_table
                cursor.execute(f'CREATE INDEX "{index.name}" ON "{table}" ({fields})')


def analyze() -> None:
    """As the server does by itself after a while; it is not vacuumed."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
