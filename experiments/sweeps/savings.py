"""What early termination saved: reports, time, GPU time and money. An estimate.

A trial that a policy stopped saved the median of its sweep's completed trials minus
its own use, at least 0. Time is training time of all attempts. GPU time multiplies it
by the GPUs of a trial, money by the current price of a slot. A month is in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from experiments.models import Attempt, Pool, Sweep, Trial
from experiments.tracking.training_time import TRAINED

HOUR = 3600.0
MONTHS = {
    "postgresql": "to_char(t.ended_at AT TIME ZONE 'UTC', 'YYYY-MM')",
    "sqlite": "strftime('%%Y-%%m', t.ended_at)",
}
# The median of n values is at the places from n / 2 to n / 2 + 1.
STATEMENT = """
WITH timed AS (
    SELECT t.*, {trained} AS elapsed
    FROM {trial} t
    WHERE t.state IN ('completed', 'terminated') AND t.sweep_id IN ({sweeps})
), completed AS (
    SELECT t.sweep_id, t.elapsed, t.reports,
        ROW_NUMBER() OVER (PARTITION BY t.sweep_id ORDER BY t.elapsed) AS by_time,
        ROW_NUMBER() OVER (PARTITION BY t.sweep_id ORDER BY t.reports) AS by_reports,
        COUNT(*) OVER (PARTITION BY t.sweep_id) AS many
    FROM timed t
    WHERE t.state = 'completed' AND t.elapsed >= 0
), usual AS (
    SELECT sweep_id,
        CAST(AVG(CASE WHEN many - 2 * by_time BETWEEN -2 AND 0 THEN elapsed END)
            AS double precision) AS seconds,
        CAST(AVG(CASE WHEN many - 2 * by_reports BETWEEN -2 AND 0 THEN reports END)
            AS double precision) AS reports
    FROM completed GROUP BY sweep_id
), ended AS (
    SELECT t.sweep_id, {month} AS month,
        CASE WHEN u.reports > t.reports THEN u.reports - t.reports ELSE 0 END
            AS reports,
        CASE WHEN u.seconds > t.elapsed THEN u.seconds - t.elapsed ELSE 0 END
            AS seconds,
        CAST(p.price_per_hour AS double precision) AS price
    FROM timed t
    LEFT JOIN {attempt} a ON a.id = t.current_attempt_id
    LEFT JOIN {pool} p ON p.id = a.pool_id
    LEFT JOIN usual u ON u.sweep_id = t.sweep_id
    WHERE t.state = 'terminated' AND t.origin <> 'imported'
)
SELECT sweep_id, month, COUNT(*), SUM(reports), SUM(seconds), SUM(seconds * price)
FROM ended GROUP BY sweep_id, month ORDER BY month, sweep_id
"""


@dataclass(frozen=True)
class Saving:
    """What ending trials early saved. ``reports`` are of the primary metric; money is
    None without a price."""

    trials: int = 0
    reports: float = 0.0
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    money: float | None = None

    def __add__(self, other: Saving) -> Saving:
        known = [money for money in (self.money, other.money) if money is not None]
        return Saving(
            self.trials + other.trials,
            self.reports + other.reports,
            self.seconds + other.seconds,
            self.gpu_seconds + other.gpu_seconds,
            sum(known) if known else None,
        )


class Row(NamedTuple):
    """What a sweep's trials of one month saved, without GPU time."""

    sweep_id: int
    month: str
    saving: Saving


@dataclass(frozen=True)
class MonthlySaving:
    """What a sweep's trials that ended in one month saved, such as ``2026-11``."""

    sweep: Sweep
    month: str
    saving: Saving


def total(savings: Iterable[Saving]) -> Saving:
    return reduce(add, savings, Saving())


def saved_by_sweep(ids: Iterable[int]) -> dict[int, Saving]:
    """What each of these sweeps saved without GPU time, in one query."""
    found: dict[int, Saving] = {}
    for sweep_id, _, saving in _rows(Sweep.objects.filter(pk__in=list(ids))):
        found[sweep_id] = found.get(sweep_id, Saving()) + saving
    return found


def monthly_savings(
    sweeps: QuerySet[Sweep], *, month: str | None = None
) -> list[MonthlySaving]:
    """The savings by month and sweep, the earliest first, in two queries."""
    rows = [row for row in _rows(sweeps) if month in (None, row.month)]
    known = Sweep.objects.select_related("experiment__team").in_bulk(
        {row.sweep_id for row in rows}
    )
    return [_line(known[row.sweep_id], row) for row in rows]


def by_month(lines: Iterable[MonthlySaving]) -> dict[str, Saving]:
    """The sum of each month, the earliest first."""
    sums: dict[str, Saving] = {}
    for line in lines:
        sums[line.month] = sums.get(line.month, Saving()) + line.saving
    return dict(sorted(sums.items()))


def _rows(sweeps: QuerySet[Sweep]) -> list[Row]:
    try:
        chosen, params = sweeps.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return []
    tables = {"trial": Trial, "attempt": Attempt, "pool": Pool}
    names: Mapping[str, str] = {
        name: connection.ops.quote_name(model._meta.db_table)
        for name, model in tables.items()
    }
    statement = STATEMENT.format(
        sweeps=chosen,
        month=MONTHS[connection.vendor],
        trained=TRAINED.format(**names),
        **names,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return [_row(*row) for row in cursor.fetchall()]


def _row(
    sweep_id: int,
    month: str | None,
    trials: int,
    reports: float,
    seconds: float,
    priced: float | None,
) -> Row:
    money = None if priced is None else priced / HOUR
    return Row(sweep_id, month or "", Saving(trials, reports, seconds, 0.0, money))


def _line(sweep: Sweep, row: Row) -> MonthlySaving:
    return MonthlySaving(sweep, row.month, with_gpus(row.saving, sweep))


def with_gpus(saving: Saving, sweep: Sweep) -> Saving:
    """The same with the GPU time of this sweep's trials."""
    return replace(saving, gpu_seconds=saving.seconds * sweep.gpus)


@dataclass(frozen=True)
class TrialPrice:
    """The GPUs of one trial and the price of an hour of its slot, if any."""

    gpus: int
    per_hour: float | None

    @classmethod
    def of(cls, sweep: Sweep) -> TrialPrice:
        price = sweep.pool.price_per_hour
        return cls(sweep.gpus, None if price is None else float(price))

    def money(self, seconds: float) -> float | None:
        return None if self.per_hour is None else seconds / HOUR * self.per_hour

    def gpu_seconds(self, seconds: float) -> float:
        return seconds * self.gpus
