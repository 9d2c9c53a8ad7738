"""Counts of a sweep's n-th reports in blocks of their losses, to find ranks quickly.

An index finds a loss, but not a rank: for "the 5,000th of 10,000" it scans 5,000
entries. Here a rank is a sum over some dozens of blocks and a look into one of them.

A report is counted at the end of the transaction that stores it, with a lock on the
first block of its n. With that lock a block's count is the number of its visible
reports, so a large block can be cut. Locks are taken only then, in the order of n, so
that there are no deadlocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, F, Q, QuerySet

from experiments.db.prepared import Placeholder, Select, Update
from experiments.models import RankBlock, Report, Trial

# A block with this many reports is cut into pieces of half as many.
MAX_ENTRIES = 256
PIECE = MAX_ENTRIES // 2
# Conditions in one statement.
BATCH = 100

Measure = RankBlock.Measure
COLUMNS = {Measure.BEST: "best_loss", Measure.MEAN: "mean_loss"}


class Entry(NamedTuple):
    """One report in one of its two orders."""

    n: int
    measure: int
    loss: float


class Block(NamedTuple):
    """A row of RankBlock: the count of reports with a loss in (low, high]."""

    pk: int
    sweep_id: int
    n: int
    measure: int
    low: float
    high: float
    count: int  # type: ignore[assignment]  # the column, not the method

    @property
    def is_untouched(self) -> bool:
        """Whether it is new, and nobody has counted its reports."""
        return not self.count and self.low == -math.inf and self.high == math.inf


# Reports mostly come alone, so these read the blocks of one n.
BLOCKS_OF_N = Select(lambda: _in_order(_of_n()).values_list(*Block._fields))
HOLDING = Select(
    lambda: _in_order(
        _of_n().filter(
            Q(
                measure=Measure.BEST,
                low__lt=Placeholder("best"),
                high__gte=Placeholder("best"),
            )
            | Q(
                measure=Measure.MEAN,
                low__lt=Placeholder("mean"),
                high__gte=Placeholder("mean"),
            )
        )
    ).values_list(*Block._fields)
)
COUNT_TWO = Update(
    lambda: RankBlock.objects.filter(
        Q(pk=Placeholder("best")) | Q(pk=Placeholder("mean"))
    ),
    count=F("count") + 1,
)
GATE = Select(lambda: _gates().filter(sweep=Placeholder("sweep"), n=Placeholder("n")))


def _gates() -> QuerySet[RankBlock, int]:
    """The first block of each n, whose lock stands for all blocks of that n."""
    gates = RankBlock.objects.select_for_update()
    first = gates.filter(measure=Measure.BEST, low=-math.inf)
    return first.order_by("n").values_list("n", flat=True)


def _of_n() -> QuerySet[RankBlock]:
    return RankBlock.objects.filter(sweep=Placeholder("sweep"), n=Placeholder("n"))


def _in_order(blocks: QuerySet[RankBlock]) -> QuerySet[RankBlock]:
    return blocks.order_by("n", "measure", "low")


def entries_of(reports: Iterable[Report]) -> list[Entry]:
    return [
        Entry(report.n, measure, getattr(report, column))
        for report in reports
        for measure, column in COLUMNS.items()
    ]


def count_in(sweep_id: int, reports: Sequence[Report]) -> None:
    """Count new reports, each of another n. Call it last in their transaction."""
    for start in range(0, len(reports), BATCH // 2):
        _count_in(sweep_id, entries_of(reports[start : start + BATCH // 2]))


def _count_in(sweep_id: int, entries: Sequence[Entry]) -> None:
    blocks = _held(sweep_id, entries)
    known = [block for block in blocks if not block.is_untouched]
    if len(known) == len(COLUMNS):
        best, mean = known
        COUNT_TWO.run(best=best.pk, mean=mean.pk)
    else:
        _rows(known).update(count=F("count") + 1)
    counted = [block._replace(count=block.count + 1) for block in known]
    grown = [block for block in counted if block.count % PIECE == 0]
    grown += _count_afresh([block for block in blocks if block.is_untouched])
    for block in grown:
        if block.count >= MAX_ENTRIES:
            _cut(block)


def _rows(blocks: Iterable[Block]) -> QuerySet[RankBlock]:
    return RankBlock.objects.filter(pk__in=[block.pk for block in blocks])


def count_out(trial: Trial) -> None:
    """Uncount a trial's reports. Call it before they are deleted."""
    reports = list(Report.objects.filter(trial=trial).order_by("n"))
    for start in range(0, len(reports), BATCH // 2):
        entries = entries_of(reports[start : start + BATCH // 2])
        blocks = _held(reports[0].sweep_id, entries)
        counted = [block for block in blocks if not block.is_untouched]
        _rows(counted).update(count=F("count") - 1)


def blocks_of(report: Report) -> list[Block]:
    """The blocks of the other trials' n-th reports, by measure and loss.

    Without blocks, all reports count as one. It is not stored here: that would take a
    lock before those of smaller n.
    """
    found = _blocks(report.sweep_id, report.n)
    if not all(block.is_untouched for block in found):
        return found
    others = Report.objects.filter(sweep=report.sweep_id, n=report.n)
    count = others.exclude(number=report.number).count()
    return [
        Block(0, report.sweep_id, report.n, measure, -math.inf, math.inf, count)
        for measure in (COLUMNS if count else ())
    ]


def _blocks(sweep_id: int, n: int) -> list[Block]:
    """All blocks of this n, by measure and loss."""
    return [Block(*row) for row in BLOCKS_OF_N.rows(sweep=sweep_id, n=n)]


def _held(sweep_id: int, entries: Sequence[Entry]) -> list[Block]:
    """The blocks of these entries, locked until the transaction ends."""
    numbers = {entry.n for entry in entries}
    if connection.features.has_select_for_update:
        _lock(sweep_id, numbers)
    found = _found(sweep_id, entries)
    if len(found) < len(entries):
        # On SQLite, which has only one writer and needs no lock.
        _open_columns(sweep_id, numbers - {block.n for block in found})
        found = _found(sweep_id, entries)
    return found


def _found(sweep_id: int, entries: Sequence[Entry]) -> list[Block]:
    losses = {entry[:2]: entry.loss for entry in entries}
    numbers = {entry.n for entry in entries}
    if len(numbers) == 1:
        (n,) = numbers
        best, mean = (losses[n, measure] for measure in COLUMNS)
        rows = HOLDING.rows(sweep=sweep_id, n=n, best=best, mean=mean)
        return [Block(*row) for row in rows]
    blocks = _in_order(RankBlock.objects.filter(sweep=sweep_id, n__in=numbers))
    return [
        block
        for block in map(Block._make, blocks.values_list(*Block._fields))
        if block.low < losses.get((block.n, block.measure), -math.inf) <= block.high
    ]


def _lock(sweep_id: int, numbers: set[int]) -> None:
    """Lock the first block of each n, or create it. Missing ones have the highest n, as
    trials report from 1 on."""
    missing = numbers - _locked(sweep_id, numbers)
    if missing:
        _open_columns(sweep_id, missing)
        _locked(sweep_id, missing)


def _locked(sweep_id: int, numbers: set[int]) -> set[int]:
    if len(numbers) == 1:
        (number,) = numbers
        return {n for (n,) in GATE.rows(sweep=sweep_id, n=number)}
    return set(_gates().filter(sweep=sweep_id, n__in=numbers))


def _open_columns(sweep_id: int, numbers: Iterable[int]) -> None:
    """Create a block for all losses; a second creator waits for the first."""
    RankBlock.objects.bulk_create(
        (
            RankBlock(
                sweep_id=sweep_id, n=n, measure=measure, low=-math.inf, high=math.inf
            )
            for n in sorted(numbers)
            for measure in COLUMNS
        ),
        ignore_conflicts=True,
    )


def _count_afresh(blocks: Sequence[Block]) -> list[Block]:
    """Count stored reports, with those of this transaction."""
    if not blocks:
        return []
    reports = Report.objects.filter(
        sweep=blocks[0].sweep_id, n__in={block.n for block in blocks}
    )
    counts = dict(reports.order_by().values_list("n").annotate(count=Count("pk")))
    counted = [block._replace(count=counts[block.n]) for block in blocks]
    for count in set(counts.values()):
        _rows(block for block in counted if block.count == count).update(count=count)
    return counted


def _cut(block: Block) -> None:
    """Cut a locked block into pieces. Equal losses stay together."""
    column = COLUMNS[Measure(block.measure)]
    losses = list(within(block).values_list(column, flat=True))
    pieces: list[RankBlock] = []
    low, before = block.low, 0
    for high, end in [*cuts(losses), (block.high, len(losses))]:
        piece = RankBlock(
            sweep_id=block.sweep_id,
            n=block.n,
            measure=block.measure,
            low=low,
            high=high,
            count=end - before,
        )
        pieces.append(piece)
        low, before = high, end
    _rows([block]).update(high=pieces[0].high, count=pieces[0].count)
    RankBlock.objects.bulk_create(pieces[1:])


def cuts(losses: Sequence[float]) -> list[tuple[float, int]]:
    """Where to cut sorted losses: the highest loss of each piece but the last, and the
    number of losses up to it."""
    ends: list[tuple[float, int]] = []
    place = PIECE
    while place < len(losses):
        high = losses[place - 1]
        while place < len(losses) and losses[place] == high:
            place += 1
        if place < len(losses):
            ends.append((high, place))
        place += PIECE
    return ends


def within(block: Block) -> QuerySet[Report]:
    """The reports of a block in order; equal losses by trial number."""
    column = COLUMNS[Measure(block.measure)]
    reports = Report.objects.filter(
        **{f"{column}__gt": block.low, f"{column}__lte": block.high},
        sweep=block.sweep_id,
        n=block.n,
    )
    return reports.order_by(column, "number")
