"""How a sweep's n-th reports share out over the blocks of their losses.

An index finds a loss quickly, but not a place: "the 5,000th of 10,000" would walk over
5,000 entries. So the entries are counted in blocks, kept up as reports come and go, and
a place is found by a sum over some dozens of blocks and a look into one of them.

A report is counted at the end of the transaction that stores it, under a lock on its
block. Under that lock the block's count is the number of its reports that can be seen,
so that a block which has grown too large can be cut by what is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet

from experiments.models import RankBlock, Report, Trial

# A block is cut once it has this many reports, into pieces of half as many.
MOST = 256
PIECE = MOST // 2
# Conditions in one statement.
BATCH = 100

Measure = RankBlock.Measure
COLUMNS = {Measure.BEST: "best_loss", Measure.MEAN: "mean_loss"}


class Entry(NamedTuple):
    """One report in one of its two orders."""

    n: int
    measure: int
    loss: float


def entries_of(reports: Iterable[Report]) -> list[Entry]:
    return [
        Entry(report.n, measure, getattr(report, column))
        for report in reports
        for measure, column in COLUMNS.items()
    ]


def count_in(sweep_id: int, reports: Sequence[Report]) -> None:
    """Count new reports, each of another n, as the last thing of their transaction."""
    for start in range(0, len(reports), BATCH // 2):
        _count_in(sweep_id, entries_of(reports[start : start + BATCH // 2]))


def _count_in(sweep_id: int, entries: Sequence[Entry]) -> None:
    blocks = _locked(sweep_id, entries)
    while len(blocks) < len(entries):
        missing = _without_block(entries, blocks)
        _open_columns(sweep_id, missing)
        blocks += _locked(sweep_id, missing)
    known = [block for block in blocks if not _is_untouched(block)]
    RankBlock.objects.filter(pk__in=[block.pk for block in known]).update(
        count=F("count") + 1
    )
    for block in known:
        block.count += 1
    _count_afresh([block for block in blocks if _is_untouched(block)])
    for block in blocks:
        if block.count >= MOST and block.count % PIECE == 0:
            _cut(block)


def count_out(trial: Trial) -> None:
    """Take a trial's reports out of the counts, before they are deleted."""
    reports = list(Report.objects.filter(trial=trial).order_by("n"))
    for start in range(0, len(reports), BATCH // 2):
        entries = entries_of(reports[start : start + BATCH // 2])
        blocks = _locked(reports[0].sweep_id, entries)
        # A block that was cut while we waited for it gives its new piece when asked
        # again; a column that nobody has counted has none.
        while missing := _without_block(entries, blocks):
            found = _locked(reports[0].sweep_id, missing)
            if not found:
                break
            blocks += found
        RankBlock.objects.filter(pk__in=[block.pk for block in blocks]).update(
            count=F("count") - 1
        )


def _without_block(
    entries: Sequence[Entry], blocks: Sequence[RankBlock]
) -> list[Entry]:
    found = {(block.n, block.measure) for block in blocks}
    return [entry for entry in entries if entry[:2] not in found]


def count_stored(report: Report) -> bool:
    """Count the other trials' n-th reports where nobody has: those that were stored
    before there were blocks. False: there are none."""
    others = _others(report)
    if not others.exists():
        return False
    entries = [Entry(report.n, measure, math.inf) for measure in COLUMNS]
    with transaction.atomic():
        _open_columns(report.sweep_id, entries)
        for block in _locked(report.sweep_id, entries):
            if _is_untouched(block):
                block.count = others.count()
                block.save(update_fields=["count"])
                _cut(block, besides=report.number)
    return True


def _others(report: Report) -> QuerySet[Report]:
    column = Report.objects.filter(sweep=report.sweep_id, n=report.n)
    return column.exclude(number=report.number)


def _locked(sweep_id: int, entries: Sequence[Entry]) -> list[RankBlock]:
    """The blocks of these entries, locked. Always in this order: two transactions
    never wait for each other."""
    wanted = Q(pk__in=())
    for n, measure, loss in entries:
        wanted |= Q(sweep=sweep_id, n=n, measure=measure, low__lt=loss, high__gte=loss)
    rows = RankBlock.objects.select_for_update().filter(wanted)
    return list(rows.order_by("n", "measure"))


def _open_columns(sweep_id: int, entries: Iterable[Entry]) -> None:
    """One block for all numbers where there is none yet; whoever comes second waits
    for the first, and finds it."""
    RankBlock.objects.bulk_create(
        (
            RankBlock(
                sweep_id=sweep_id, n=n, measure=measure, low=-math.inf, high=math.inf
            )
            for n, measure, _ in entries
        ),
        ignore_conflicts=True,
    )


def _is_untouched(block: RankBlock) -> bool:
    return not block.count and block.low == -math.inf and block.high == math.inf


def _count_afresh(blocks: Sequence[RankBlock]) -> None:
    """Count what is there, this transaction's own report included."""
    if not blocks:
        return
    reports = Report.objects.filter(
        sweep=blocks[0].sweep_id, n__in={block.n for block in blocks}
    )
    counts = dict(reports.order_by().values_list("n").annotate(count=Count("pk")))
    for block in blocks:
        block.count = counts[block.n]
    RankBlock.objects.bulk_update(blocks, ["count"])


def _cut(block: RankBlock, *, besides: int | None = None) -> None:
    """Share a locked block out over pieces. Equal losses stay together."""
    column = COLUMNS[_measure(block)]
    losses = list(within(block, besides=besides).values_list(column, flat=True))
    ends = [*cuts(losses), (block.high, len(losses))]
    pieces: list[RankBlock] = []
    low, before = block.low, 0
    for high, end in ends:
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
    pieces[0].pk = block.pk
    pieces[0].save(update_fields=["high", "count"])
    RankBlock.objects.bulk_create(pieces[1:])


def cuts(losses: Sequence[float]) -> list[tuple[float, int]]:
    """Where to cut sorted losses: the highest loss of each piece but the last, and how
    many losses there are up to it."""
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


def _measure(block: RankBlock) -> RankBlock.Measure:
    return RankBlock.Measure(block.measure)


def within(block: RankBlock, *, besides: int | None = None) -> QuerySet[Report]:
    """The reports of a block in order; equal losses by trial number."""
    column = COLUMNS[_measure(block)]
    reports = Report.objects.filter(
        **{f"{column}__gt": block.low, f"{column}__lte": block.high},
        sweep=block.sweep_id,
        n=block.n,
    )
    if besides is not None:
        reports = reports.exclude(number=besides)
    return reports.order_by(column, "number")
