"""The trials that a stored report is compared with, found by indexes.

A comparison costs the same however many trials and reports the sweep has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from django.db.models import Count, QuerySet

from experiments.db.prepared import Placeholder, Select
from experiments.models import RankBlock, Report, ranks
from experiments.models.ranks import Block
from experiments.models.trials import TrialState
from experiments.search.standings import Rung, RungRivals, StoredStanding
from experiments.search.termination.evidence import Ranked, Rivals

Measure = RankBlock.Measure


def _others() -> QuerySet[Report]:
    """The other trials' n-th reports."""
    reports = Report.objects.filter(sweep=Placeholder("sweep"), n=Placeholder("n"))
    return reports.exclude(number=Placeholder("number"))


def _inside(column: str) -> QuerySet[Report]:
    """The reports of one block."""
    bounds = {
        f"{column}__gt": Placeholder("low"),
        f"{column}__lte": Placeholder("high"),
    }
    return _others().filter(**bounds)


def _count_below(column: str) -> Select:
    lower = _inside(column).filter(**{f"{column}__lt": Placeholder("loss")})
    # Grouped by a constant: the ORM's count() would run the query at once.
    counts = lower.order_by().values("n").annotate(rows=Count("pk"))
    return Select(lambda: counts.values_list("rows"))


def _places(column: str) -> Select:
    in_order = _inside(column).order_by(column, "number")
    return Select(lambda: in_order.values_list("number", column), sliced=True)


BELOW = {column: _count_below(column) for column in ranks.COLUMNS.values()}
PLACES = {column: _places(column) for column in ranks.COLUMNS.values()}
LEADER = Select(
    lambda: (
        _others().order_by("best_loss", "number").values_list("number", "best_loss")[:1]
    )
)
RUNNING = Select(
    # By the trial's sweep: by the report's, SQLite scans all reports instead of the
    # running trials.
    lambda: (
        Report.objects.filter(
            n=Placeholder("n"),
            trial__sweep=Placeholder("sweep"),
            trial__state=TrialState.RUNNING,
        )
        .exclude(number=Placeholder("number"))
        .values_list("number", "best_loss", "mean_loss")
    )
)


def _where(report: Report) -> dict[str, int]:
    return {"sweep": report.sweep_id, "n": report.n, "number": report.number}


class StoredOrder:
    """The other trials' n-th reports, ordered by one measure."""

    def __init__(
        self, report: Report, measure: RankBlock.Measure, blocks: Sequence[Block]
    ) -> None:
        self._report = report
        self._column = ranks.COLUMNS[measure]
        self._blocks = [block for block in blocks if block.measure == measure]

    def __len__(self) -> int:
        return sum(block.count for block in self._blocks)

    def below(self, loss: float) -> int:
        """How many losses are strictly lower."""
        count = 0
        for block in self._blocks:
            if block.high >= loss:
                values = {**self._bounds(block), "loss": float(loss)}
                found = BELOW[self._column].first(**values)
                return count + (found[0] if found else 0)
            count += block.count
        return count

    def at(self, place: int, count: int = 1) -> list[Ranked]:
        """The trials at ``count`` places from this one on; places count from 0."""
        found: list[Ranked] = []
        first = 0
        for block in self._blocks:
            offset = max(0, place - first)
            if offset < block.count and len(found) < count:
                found += self._rows(block, offset, count - len(found))
            first += block.count
        return found if len(found) == count else self._walked(place, count)

    def _walked(self, place: int, count: int) -> list[Ranked]:
        """The same by scanning rows: a trial that starts over meanwhile may leave
        fewer rows than were counted. A deleted trial has no value."""
        others = Report.objects.filter(
            sweep=self._report.sweep_id, n=self._report.n
        ).exclude(number=self._report.number)
        rows = others.order_by(self._column, "number").values_list(
            "number", self._column
        )
        found = [Ranked(*row) for row in rows[place : place + count]]
        return found + [Ranked(self._report.number, math.inf)] * (count - len(found))

    def _rows(self, block: Block, offset: int, count: int) -> list[Ranked]:
        values = {**self._bounds(block), "offset": offset, "limit": count}
        return [Ranked(*row) for row in PLACES[self._column].rows(**values)]

    def _bounds(self, block: Block) -> dict[str, float]:
        return {**_where(self._report), "low": block.low, "high": block.high}


class StoredRivals(Rivals):
    """The sweep's other trials, up to the n-th report."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._better: dict[float, int] = {}
        self._by_place: dict[tuple[int, int], list[Ranked]] = {}

    @cached_property
    def _blocks(self) -> Sequence[Block]:
        """The blocks of both orders, in one query."""
        return ranks.blocks_of(self._report)

    @cached_property
    def _by_best(self) -> StoredOrder:
        return StoredOrder(self._report, Measure.BEST, self._blocks)

    @cached_property
    def _by_mean(self) -> StoredOrder:
        return StoredOrder(self._report, Measure.MEAN, self._blocks)

    def __len__(self) -> int:
        return len(self._by_best)

    @cached_property
    def _leader(self) -> Ranked | None:
        row = LEADER.first(**_where(self._report))
        return Ranked(*row) if row is not None and math.isfinite(row[1]) else None

    def leader(self) -> Ranked | None:
        return self._leader

    def ranked_by_mean(self, place: int, count: int) -> list[Ranked]:
        # The policy and its sentence need the same ones.
        if (place, count) not in self._by_place:
            self._by_place[place, count] = self._by_mean.at(place, count)
        return self._by_place[place, count]

    def better_than(self, loss: float) -> int:
        if loss not in self._better:
            self._better[loss] = self._by_best.below(loss)
        return self._better[loss]

    def ranked(self, place: int) -> Ranked:
        return self._by_best.at(place)[0]

    @cached_property
    def _running(self) -> Rivals:
        """Reads all of them: a sweep runs only a limited number at a time."""
        report = self._report
        standings = RUNNING.rows(**_where(report))
        rung = Rung(report.n, {number for number, *_ in standings} | {report.number})
        for row in standings:
            rung.add(StoredStanding(*row))
        own = StoredStanding(report.number, report.best_loss, report.mean_loss)
        rung.add(own)
        return RungRivals(rung, own)

    def only_running(self) -> Rivals:
        return self._running
