"""The trials that have come as far as a report, in a replay: whom a policy may ask.

They answer as `experiments.search.columns` does, only quicker: what is kept and
compared are places in the tables of the recording.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort

from experiments.search.replay.tables import Table, Tables
from experiments.search.termination.evidence import Ranked, Rivals

# Behind every rank that there is.
NOBODY = 2**62


class Column:
    """All who have come as far as report n, by the places of their reports.

    An order is made when it is first asked for, and kept up from then on. The two
    first by best are always known: of two, one is another trial than whoever asks.
    `running` tells by trial who has not ended.
    """

    __slots__ = (
        "base",
        "by_best",
        "end",
        "first",
        "members",
        "orders",
        "running",
        "second",
        "tables",
    )

    def __init__(self, tables: Tables, n: int, running: bytearray) -> None:
        self.tables = tables
        self.running = running
        self.by_best = tables.by_best
        self.base, self.end = tables.by_best.bases[n : n + 2]
        self.members: list[int] = []
        self.first = self.second = NOBODY
        # Each of a table, and of all trials or only of running ones.
        self.orders: list[tuple[Table, bool, array[int]]] = []

    def add(self, place: int) -> None:
        """The report at a place of the recording has come."""
        self.members.append(place)
        rank = self.by_best.ranks[place]
        if rank < self.second:
            if rank < self.first:
                self.first, self.second = rank, self.first
            else:
                self.second = rank
        for table, _, order in self.orders:
            insort(order, table.ranks[place])

    def drop(self, place: int) -> None:
        """The trial of that report is not running any more."""
        for table, running_only, order in self.orders:
            if running_only:
                del order[bisect_left(order, table.ranks[place])]

    def order(self, table: Table, running_only: bool) -> array[int]:
        """The ranks of all, or of those whose trials run, in ascending order."""
        for known, only, order in self.orders:
            if known is table and only == running_only:
                return order
        members = self.members
        if running_only:
            trials = self.tables.recording.trials
            members = [place for place in members if self.running[trials[place]]]
        made = array("i", sorted(table.ranks[place] for place in members))
        self.orders.append((table, running_only, made))
        return made


class Others(Rivals):
    """The members of a column but for the one whose report is at `place`."""

    __slots__ = ("column", "place", "running_only")

    def __init__(self, column: Column, place: int, running_only: bool = False) -> None:
        self.column = column
        self.place = place
        self.running_only = running_only

    def __len__(self) -> int:
        if not self.running_only:
            return len(self.column.members) - 1
        order, own = self._ordered(self.column.by_best)
        return len(order) - (own < len(order))

    def leader(self) -> Ranked | None:
        column = self.column
        if self.running_only:
            return self._running_leader()
        own = column.by_best.ranks[self.place]
        rank = column.first if column.first != own else column.second
        return None if rank == NOBODY else self._finite(rank)

    def median_of_means(self) -> tuple[float, tuple[int, ...]]:
        table = self.column.tables.by_mean
        order, own = self._ordered(table)
        count = len(order) - (own < len(order))
        if count == 0:
            return math.inf, ()
        base = self.column.base
        middle = count // 2
        upper = base + order[middle + (middle >= own)]
        losses, numbers = table.losses, table.numbers
        if count % 2:
            return losses[upper], (numbers[upper],)
        middle -= 1
        lower = base + order[middle + (middle >= own)]
        one, other = numbers[lower], numbers[upper]
        middle_two = (one, other) if one < other else (other, one)
        return losses[lower] / 2 + losses[upper] / 2, middle_two

    def better_than(self, loss: float) -> int:
        column = self.column
        order, own = self._ordered(column.by_best)
        losses = column.by_best.losses
        rank = bisect_left(losses, loss, column.base, column.end) - column.base
        below = bisect_left(order, rank)
        return below - (own < below)

    def ranked(self, place: int) -> Ranked:
        table = self.column.by_best
        order, own = self._ordered(table)
        at = self.column.base + order[place + (place >= own)]
        return Ranked(table.numbers[at], table.losses[at])

    def only_running(self) -> Rivals:
        return Others(self.column, self.place, running_only=True)

    def _running_leader(self) -> Ranked | None:
        order, own = self._ordered(self.column.by_best)
        first = 1 if own == 0 else 0
        return self._finite(order[first]) if first < len(order) else None

    def _finite(self, rank: int) -> Ranked | None:
        """Who is at a rank by best; None for one without a finite value."""
        table, at = self.column.by_best, self.column.base + rank
        loss = table.losses[at]
        return None if loss == math.inf else Ranked(table.numbers[at], loss)

    def _ordered(self, table: Table) -> tuple[array[int], int]:
        """The ranks, and the own one's place among them; their count without it."""
        order = self.column.order(table, self.running_only)
        rank = table.ranks[self.place]
        own = bisect_left(order, rank)
        if own < len(order) and order[own] != rank:
            own = len(order)
        return order, own
