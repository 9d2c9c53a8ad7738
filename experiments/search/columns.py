"""The trials of a sweep at one report number, in order of their losses."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable
from typing import Literal, TypeAlias

from experiments.search.termination.evidence import Ranked, Rivals, Standing

Kind: TypeAlias = Literal["best", "mean"]


class Order:
    """Losses in ascending order, each with its trial; equal ones by trial number."""

    __slots__ = ("losses", "numbers")

    def __init__(self, entries: Iterable[tuple[float, int]]) -> None:
        ordered = sorted(entries)
        self.losses = array("d", [loss for loss, _ in ordered])
        self.numbers = array("q", [number for _, number in ordered])

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, loss: float, number: int) -> None:
        place = self._place(loss, number)
        self.losses.insert(place, loss)
        self.numbers.insert(place, number)

    def remove(self, loss: float, number: int) -> None:
        place = self._place(loss, number)
        del self.losses[place], self.numbers[place]

    def find(self, loss: float, number: int) -> int:
        """The place of a trial with its loss; the length when it is not here."""
        place = self._place(loss, number)
        here = place < len(self.numbers) and self.numbers[place] == number
        return place if here else len(self.numbers)

    def _place(self, loss: float, number: int) -> int:
        losses = self.losses
        first = bisect_left(losses, loss)
        if first == len(losses) or losses[first] != loss:
            return first
        return bisect_left(
            self.numbers, number, first, bisect_right(losses, loss, first)
        )


class Column:
    """Every trial's best and mean loss after its n-th report, for one n.

    An order is made when it is first asked for, and kept up from then on. `running`
    tells which trials have not ended.
    """

    __slots__ = ("_orders", "_rows", "_running")

    def __init__(self, running: Container[int]) -> None:
        self._running = running
        self._rows: list[tuple[int, float, float]] = []
        self._orders: dict[tuple[Kind, bool], Order] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, best: float, mean: float) -> None:
        self._rows.append((number, best, mean))
        if self._orders:
            for (kind, _), order in self._orders.items():
                order.add(best if kind == "best" else mean, number)

    @property
    def tells_running(self) -> bool:
        """Whether an order of the running trials has been made."""
        return any(running_only for _, running_only in self._orders)

    def end(self, number: int, best: float, mean: float) -> None:
        """A trial is not running any more."""
        for (kind, running_only), order in self._orders.items():
            if running_only:
                order.remove(best if kind == "best" else mean, number)

    def order(self, kind: Kind, running_only: bool) -> Order:
        """The trials by their best or mean, of all or of those that run."""
        order = self._orders.get((kind, running_only))
        if order is None:
            place = 1 if kind == "best" else 2
            order = Order(
                (row[place], row[0])
                for row in self._rows
                if not running_only or row[0] in self._running
            )
            self._orders[kind, running_only] = order
        return order


class ColumnRivals(Rivals):
    """A column without one trial: its rivals."""

    __slots__ = ("_column", "_number", "_own", "_running_only")

    def __init__(
        self, column: Column, number: int, own: Standing, *, running_only: bool = False
    ) -> None:
        self._column = column
        self._number = number
        self._own = own
        self._running_only = running_only

    def __len__(self) -> int:
        if not self._running_only:
            return len(self._column) - 1
        order, own = self._by_best()
        return len(order) - (own < len(order))

    def leader(self) -> Ranked | None:
        order = self._column.order("best", self._running_only)
        numbers, losses = order.numbers, order.losses
        first = 1 if numbers and numbers[0] == self._number else 0
        if first >= len(numbers) or losses[first] == math.inf:
            return None
        return Ranked(numbers[first], losses[first])

    def median_of_means(self) -> tuple[float, tuple[int, ...]]:
        order = self._column.order("mean", self._running_only)
        own = order.find(self._own.mean, self._number)
        count = len(order) - (own < len(order))
        if count == 0:
            return math.inf, ()
        upper = count // 2
        upper += upper >= own
        losses, numbers = order.losses, order.numbers
        if count % 2:
            return losses[upper], (numbers[upper],)
        lower = count // 2 - 1
        lower += lower >= own
        first, second = sorted((numbers[lower], numbers[upper]))
        return losses[lower] / 2 + losses[upper] / 2, (first, second)

    def better_than(self, loss: float) -> int:
        order, own = self._by_best()
        below = bisect_left(order.losses, loss)
        return below - (own < below)

    def ranked(self, place: int) -> Ranked:
        order, own = self._by_best()
        place += place >= own
        return Ranked(order.numbers[place], order.losses[place])

    def only_running(self) -> Rivals:
        return ColumnRivals(self._column, self._number, self._own, running_only=True)

    def _by_best(self) -> tuple[Order, int]:
        """The order by best, and the trial's own place in it."""
        order = self._column.order("best", self._running_only)
        return order, order.find(self._own.best, self._number)
