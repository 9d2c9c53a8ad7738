"""The trials of a sweep at one report number, in order of their losses."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container
from typing import Literal, TypeAlias

import numpy as np

from experiments.search.termination.evidence import Ranked, Rivals, Standing

Kind: TypeAlias = Literal["best", "mean"]


class Order:
    """Losses in ascending order, each with its trial; equal ones by trial number."""

    __slots__ = ("losses", "numbers")

    def __init__(self, losses: array[float], numbers: array[int]) -> None:
        order = np.lexsort((np.array(numbers), np.array(losses)))
        self.losses = array("d", np.array(losses)[order].tolist())
        self.numbers = array("q", np.array(numbers)[order].tolist())

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

    __slots__ = ("_best", "_mean", "_numbers", "_orders", "_running")

    def __init__(self, running: Container[int]) -> None:
        self._running = running
        self._numbers = array("q")
        self._best = array("d")
        self._mean = array("d")
        self._orders: dict[tuple[Kind, bool], Order] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, best: float, mean: float) -> None:
        self._numbers.append(number)
        self._best.append(best)
        self._mean.append(mean)
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
            order = self._made(kind, running_only)
            self._orders[kind, running_only] = order
        return order

    def _made(self, kind: Kind, running_only: bool) -> Order:
        losses = self._best if kind == "best" else self._mean
        if not running_only:
            return Order(losses, self._numbers)
        kept = [
            place
            for place, number in enumerate(self._numbers)
            if number in self._running
        ]
        return Order(
            array("d", [losses[place] for place in kept]),
            array("q", [self._numbers[place] for place in kept]),
        )


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
        order, own = self._by_best()
        first = 1 if own == 0 else 0
        if first >= len(order) or math.isinf(order.losses[first]):
            return None
        return Ranked(order.numbers[first], order.losses[first])

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
