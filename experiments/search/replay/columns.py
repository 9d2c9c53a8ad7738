"""The trials that have come as far as a report, in a replay: whom a policy may ask.

They answer as `experiments.search.columns` does, only quicker: what is kept and
compared are ranks in the tables of the recording.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort

from experiments.search.replay.tables import Table, Tables
from experiments.search.termination.evidence import Ranked, Rivals

# Behind every rank that there is.
NOBODY = 2**62


class Order:
    """The ranks in a table of some members of a column, in ascending order."""

    __slots__ = ("all_ranks", "base", "ranks", "table")

    def __init__(self, table: Table, base: int, places: list[int]) -> None:
        self.table = table
        self.base = base
        self.all_ranks = table.ranks
        self.ranks = array("i", sorted(table.ranks[place] for place in places))

    def add(self, place: int) -> None:
        insort(self.ranks, self.all_ranks[place])

    def drop(self, place: int) -> None:
        del self.ranks[bisect_left(self.ranks, self.all_ranks[place])]

    def find(self, place: int) -> int:
        """Where the report at a place stands; the length when it is not here."""
        rank, ranks = self.all_ranks[place], self.ranks
        own = bisect_left(ranks, rank)
        if own == len(ranks) or ranks[own] == rank:
            return own
        return len(ranks)


class Column:
    """All who have come as far as report n, by the places of their reports.

    An order is made when it is first asked for, and kept up from then on. The two
    first by best are always known: of two, one is another trial than whoever asks.
    `running` tells by trial who has not ended.
    """

    __slots__ = (
        "all_by_best",
        "all_by_mean",
        "base",
        "best_ranks",
        "end",
        "first",
        "members",
        "running",
        "running_by_best",
        "running_by_mean",
        "second",
        "tables",
    )

    def __init__(self, tables: Tables, n: int, running: bytearray) -> None:
        self.tables = tables
        self.running = running
        self.best_ranks = tables.by_best.ranks
        self.base, self.end = tables.by_best.bases[n : n + 2]
        self.members: list[int] = []
        self.first = self.second = NOBODY
        self.all_by_best: Order | None = None
        self.all_by_mean: Order | None = None
        self.running_by_best: Order | None = None
        self.running_by_mean: Order | None = None

    def add(self, place: int) -> None:
        """The report at a place of the recording has come."""
        self.members.append(place)
        rank = self.best_ranks[place]
        if rank < self.second:
            if rank < self.first:
                self.first, self.second = rank, self.first
            else:
                self.second = rank
        if self.all_by_best is not None:
            insort(self.all_by_best.ranks, rank)
        if self.all_by_mean is not None:
            self.all_by_mean.add(place)
        if self.running_by_best is not None:
            self.running_by_best.add(place)
        if self.running_by_mean is not None:
            self.running_by_mean.add(place)

    @property
    def tells_running(self) -> bool:
        """Whether it matters here that a trial has ended."""
        return self.running_by_best is not None or self.running_by_mean is not None

    def drop(self, place: int) -> None:
        """The trial of that report is not running any more."""
        for order in (self.running_by_best, self.running_by_mean):
            if order is not None:
                order.drop(place)

    def by_best(self, *, running_only: bool) -> Order:
        """The members by their best, or those of them whose trials run."""
        if running_only:
            if self.running_by_best is None:
                self.running_by_best = self._made(self.tables.by_best, self._runners())
            return self.running_by_best
        if self.all_by_best is None:
            self.all_by_best = self._made(self.tables.by_best, self.members)
        return self.all_by_best

    def by_mean(self, *, running_only: bool) -> Order:
        """The same by their mean."""
        if running_only:
            if self.running_by_mean is None:
                self.running_by_mean = self._made(self.tables.by_mean, self._runners())
            return self.running_by_mean
        if self.all_by_mean is None:
            self.all_by_mean = self._made(self.tables.by_mean, self.members)
        return self.all_by_mean

    def _made(self, table: Table, places: list[int]) -> Order:
        return Order(table, self.base, places)

    def _runners(self) -> list[int]:
        trials = self.tables.recording.trials
        return [place for place in self.members if self.running[trials[place]]]


class Others(Rivals):
    """The members of a column but for the one whose report is at `place`."""

    __slots__ = ("column", "place")

    def __init__(self, column: Column, place: int) -> None:
        self.column = column
        self.place = place

    def __len__(self) -> int:
        return len(self.column.members) - 1

    def leader(self) -> Ranked | None:
        column = self.column
        rank = column.first
        if rank == column.best_ranks[self.place]:
            rank = column.second
        return None if rank == NOBODY else finite(column, rank)

    def median_of_means(self) -> tuple[float, tuple[int, ...]]:
        order = self.column.all_by_mean or self.column.by_mean(running_only=False)
        return median(order, bisect_left(order.ranks, order.all_ranks[self.place]))

    def better_than(self, loss: float) -> int:
        order = self.column.by_best(running_only=False)
        return below(self.column, order, loss, order.find(self.place))

    def ranked(self, place: int) -> Ranked:
        order = self.column.all_by_best or self.column.by_best(running_only=False)
        ranks = order.ranks
        if place >= bisect_left(ranks, order.all_ranks[self.place]):
            place += 1
        at, table = order.base + ranks[place], order.table
        return Ranked(table.numbers[at], table.losses[at])

    def only_running(self) -> Rivals:
        return RunningOthers(self.column, self.place)


class RunningOthers(Rivals):
    """Those of them whose trials have not ended."""

    __slots__ = ("_column", "_order", "_own", "_place")

    def __init__(self, column: Column, place: int) -> None:
        self._column = column
        self._place = place
        self._order = column.by_best(running_only=True)
        self._own = self._order.find(place)

    def __len__(self) -> int:
        count = len(self._order.ranks)
        return count - (self._own < count)

    def leader(self) -> Ranked | None:
        first = 1 if self._own == 0 else 0
        ranks = self._order.ranks
        return finite(self._column, ranks[first]) if first < len(ranks) else None

    def median_of_means(self) -> tuple[float, tuple[int, ...]]:
        order = self._column.by_mean(running_only=True)
        return median(order, order.find(self._place))

    def better_than(self, loss: float) -> int:
        return below(self._column, self._order, loss, self._own)

    def ranked(self, place: int) -> Ranked:
        order = self._order
        at = order.base + order.ranks[place + (place >= self._own)]
        return Ranked(order.table.numbers[at], order.table.losses[at])

    def only_running(self) -> Rivals:
        return self


def finite(column: Column, rank: int) -> Ranked | None:
    """Who is at a rank by best; None for one without a finite value."""
    table, at = column.tables.by_best, column.base + rank
    loss = table.losses[at]
    return None if loss == math.inf else Ranked(table.numbers[at], loss)


def median(order: Order, own: int) -> tuple[float, tuple[int, ...]]:
    """The median of an order without the one at `own`, and who is in the middle."""
    ranks, base = order.ranks, order.base
    count = len(ranks)
    if own < count:
        count -= 1
    if count == 0:
        return math.inf, ()
    half = count // 2
    upper = base + ranks[half + 1 if half >= own else half]
    losses, numbers = order.table.losses, order.table.numbers
    if count % 2:
        return losses[upper], (numbers[upper],)
    half -= 1
    lower = base + ranks[half + 1 if half >= own else half]
    one, other = numbers[lower], numbers[upper]
    middle = (one, other) if one < other else (other, one)
    return losses[lower] / 2 + losses[upper] / 2, middle


def below(column: Column, order: Order, loss: float, own: int) -> int:
    """How many of an order, without the one at `own`, are lower than a loss."""
    losses = order.table.losses
    rank = bisect_left(losses, loss, column.base, column.end) - column.base
    found = bisect_left(order.ranks, rank)
    return found - (own < found)
