"""Trials at a report, in order of their losses, and each trial's curve.

Sorted orders answer a policy's questions, so that their time does not grow with the
number of trials and reports. `experiments.search.standings` uses them for the study and
the policy simulator, `experiments.tracking.memory` for stored sweeps.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.termination.evidence import Ranked, Rivals, Standing

Measure: TypeAlias = Literal["best", "mean", "value"]


class SortedLosses:
    """Losses in ascending order, each with its trial; equal ones by trial number."""

    __slots__ = ("losses", "numbers")

    def __init__(self, losses: Sequence[float], numbers: Sequence[int]) -> None:
        given, trials = np.array(losses, np.float64), np.array(numbers, np.int64)
        order = np.lexsort((trials, given))
        self.losses = array("d", given[order].tobytes())
        self.numbers = array("q", trials[order].tobytes())

    def add(self, loss: float, number: int) -> None:
        place = self.place(loss, number)
        self.losses.insert(place, loss)
        self.numbers.insert(place, number)

    def remove(self, loss: float, number: int) -> None:
        place = self.place(loss, number)
        del self.losses[place], self.numbers[place]

    def find(self, loss: float, number: int) -> int:
        """The place of a trial with its loss; the length if it is not here."""
        place, numbers = self.place(loss, number), self.numbers
        if place < len(numbers) and numbers[place] == number:
            return place
        return len(numbers)

    def place(self, loss: float, number: int) -> int:
        """Where a trial with this loss is, or would be."""
        losses, numbers = self.losses, self.numbers
        first = bisect_left(losses, loss)
        # Equal losses are rare: most often the first one is the trial's own.
        if first == len(losses) or losses[first] != loss or numbers[first] >= number:
            return first
        return bisect_left(numbers, number, first, bisect_right(losses, loss, first))


class LeadingTrials:
    """The two trials with the lowest losses, of which one is not a given trial."""

    __slots__ = ("_leaders", "limit")

    def __init__(
        self, losses: Sequence[float] = (), numbers: Sequence[int] = ()
    ) -> None:
        """The trials' losses, and the trials."""
        least = nsmallest(2, _low(losses, numbers))
        self._leaders = [Ranked(number, loss) for loss, number in least]
        # Only a loss up to this one can lead.
        self.limit = least[1][0] if len(least) > 1 else math.inf

    def add(self, number: int, loss: float) -> None:
        """A trial's new loss, lower than its earlier ones."""
        others = [leader for leader in self._leaders if leader.number != number]
        ranked = sorted([*others, Ranked(number, loss)], key=_by_loss)
        self._leaders = ranked[:2]
        if len(ranked) > 1:
            self.limit = ranked[1].loss

    def besides(self, number: int) -> Ranked | None:
        """The best of the other trials; None if none has a finite value."""
        for leader in self._leaders:
            if leader.number != number:
                return leader if leader.loss < math.inf else None
        return None


def _low(
    losses: Sequence[float], numbers: Sequence[int]
) -> Iterable[tuple[float, int]]:
    """All entries, or those up to the second lowest loss: quicker than to compare
    thousands of pairs."""
    if len(losses) > 2:
        given = np.array(losses, np.float64)
        places = np.flatnonzero(given <= np.partition(given, 1)[1]).tolist()
        return ((losses[place], numbers[place]) for place in places)
    return zip(losses, numbers, strict=True)


def _by_loss(ranked: Ranked) -> tuple[float, int]:
    return ranked.loss, ranked.number


class Rung:
    """All trials with at least n reports, as they were at report n, in any order.

    An order is made when it is first needed, and then kept up to date. `curves` are
    those of all trials by number, and `running` the trials that have not ended.
    """

    __slots__ = (
        *("_bests", "_by_number", "_curves", "_leaders", "_means", "_numbers"),
        *("_orders", "_report", "_running"),
    )

    def __init__(
        self,
        report: int,
        curves: Mapping[int, LearningCurve],
        running: Collection[int] = (),
    ) -> None:
        self._report = report
        self._curves = curves
        self._running = running
        # Side by side, so that an order costs no look into each trial's own reports.
        self._numbers = array("i")
        self._bests = array("d")
        self._means = array("d")
        self._orders: dict[tuple[Measure, bool], SortedLosses] = {}
        self._leaders: LeadingTrials | None = None
        self._by_number: tuple[array[int], array[float]] | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, trial: LearningCurve) -> None:
        """A trial has just made report n."""
        self._numbers.append(trial.number)
        self._bests.append(trial.best)
        self._means.append(trial.mean)
        if self._leaders is not None and trial.best <= self._leaders.limit:
            self._leaders.add(trial.number, trial.best)
        if self._by_number is not None:
            numbers, bests = self._by_number
            place = bisect_left(numbers, trial.number)
            numbers.insert(place, trial.number)
            bests.insert(place, trial.best)
        for (measure, _), order in self._orders.items():
            order.add(trial.measured(measure), trial.number)

    def extend(
        self,
        numbers: NDArray[np.int32],
        bests: NDArray[np.float64],
        means: NDArray[np.float64],
    ) -> None:
        """Many trials at once, with their lowest losses and their means at report n."""
        self._numbers.frombytes(numbers.tobytes())
        self._bests.frombytes(bests.tobytes())
        self._means.frombytes(means.tobytes())
        self.forget_orders()

    def end(self, number: int) -> None:
        """A trial has ended."""
        of_running = [key for key in self._orders if key[1]]
        if of_running:
            place = self._find(number)
            for measure, running_only in of_running:
                loss = self._column(measure)[place]
                self._orders[measure, running_only].remove(loss, number)

    def remove(self, number: int) -> None:
        """Forget a trial that is here."""
        place = self._find(number)
        del self._numbers[place], self._bests[place], self._means[place]
        self.forget_orders()

    def only(self, numbers: Collection[int]) -> Rung:
        """Those of these trials that are here."""
        wanted = np.fromiter(numbers, np.int32, len(numbers))
        here = np.isin(np.array(self._numbers), wanted)
        part = Rung(self._report, self._curves)
        columns = (self._numbers, self._bests, self._means)
        part.extend(*(np.array(column)[here] for column in columns))
        return part

    def forget_orders(self) -> None:
        self._orders.clear()
        self._leaders = self._by_number = None

    def _find(self, number: int) -> int:
        return int(np.argmax(np.frombuffer(self._numbers, np.int32) == number))

    def _column(self, measure: Measure) -> array[float]:
        if measure == "value":
            curves, report = self._curves, self._report
            return array("d", [curves[n].value_at(report) for n in self._numbers])
        return self._bests if measure == "best" else self._means

    def before(self, number: int, count: int) -> list[Ranked]:
        """The best losses of the trials with the next lower numbers, nearest first."""
        if self._by_number is None:
            order = np.argsort(self._numbers).tolist()
            self._by_number = (
                array("i", [self._numbers[place] for place in order]),
                array("d", [self._bests[place] for place in order]),
            )
        numbers, bests = self._by_number
        own = bisect_left(numbers, number)
        places = range(own - 1, max(0, own - count) - 1, -1)
        return [Ranked(numbers[place], bests[place]) for place in places]

    @property
    def leaders(self) -> LeadingTrials:
        if self._leaders is None:
            self._leaders = LeadingTrials(self._bests, self._numbers)
        return self._leaders

    def order(self, measure: Measure, running_only: bool) -> SortedLosses:
        """The trials in order of a measure: all of them, or those that run."""
        order = self._orders.get((measure, running_only))
        if order is None:
            rung = self.only(self._running) if running_only else self
            order = SortedLosses(rung._column(measure), rung._numbers)
            self._orders[measure, running_only] = order
        return order


class RungRivals(Rivals):
    """The other trials at a rung, valid until the next trial reports."""

    __slots__ = ("_count", "_order", "_own", "_place", "_rung", "_running")

    def __init__(self, rung: Rung, own: LearningCurve, running: bool = False) -> None:
        self._rung = rung
        self._own = own
        self._running = running
        self._order: SortedLosses | None = None
        self._count = len(rung) - 1
        if running:
            self._order, self._place = order, place = self._found("best")
            count = len(order.numbers)
            self._count = count - (place < count)

    def __len__(self) -> int:
        return self._count

    def leader(self) -> Ranked | None:
        if not self._running:
            return self._rung.leaders.besides(self._own.number)
        first = self.ranked(0) if self._count else None
        return first if first and first.loss < math.inf else None

    def ranked_by_mean(self, place: int, count: int) -> list[Ranked]:
        order, own = self._found("mean")
        places = (at + (at >= own) for at in range(place, place + count))
        return [Ranked(order.numbers[at], order.losses[at]) for at in places]

    def ranked_by_value(self, place: int) -> Ranked:
        order, own = self._found("value")
        place += place >= own
        return Ranked(order.numbers[place], order.losses[place])

    def better_than(self, loss: float) -> int:
        order, own = self._by_best()
        below = bisect_left(order.losses, loss)
        return below - (own < below)

    def ranked(self, place: int) -> Ranked:
        order, own = self._by_best()
        place += place >= own
        return Ranked(order.numbers[place], order.losses[place])

    def before(self, count: int) -> list[Ranked]:
        rung = self._rung.only(self._rung._running) if self._running else self._rung
        return rung.before(self._own.number, count)

    def only_running(self) -> Rivals:
        return RungRivals(self._rung, self._own, True)

    def _by_best(self) -> tuple[SortedLosses, int]:
        """The order by best, and the trial's own place in it."""
        if self._order is None:
            self._order, self._place = self._found("best")
        return self._order, self._place

    def _found(self, measure: Measure) -> tuple[SortedLosses, int]:
        order, own = self._rung.order(measure, self._running), self._own
        return order, order.find(own.measured(measure), own.number)


class LearningCurve:
    """One trial's reports so far: its losses, infinity where not finite, and the lowest
    and the mean of the finite ones."""

    __slots__ = ("_finite", "best", "losses", "mean", "number")

    def __init__(
        self,
        number: int,
        losses: Iterable[float] = (),
        best: float = math.inf,
        mean: float = math.inf,
        finite: int = 0,
    ) -> None:
        """`finite` of the losses so far are finite."""
        self.number = number
        self.losses = array("d", losses)
        self.best, self.mean = best, mean
        self._finite = finite

    def add(self, loss: float) -> None:
        """The next report."""
        if -math.inf < loss < math.inf:
            self.best = min(self.best, loss)
            before = self.mean if self._finite else 0.0
            self._finite += 1
            # Each part is divided on its own: a sum of large losses may overflow.
            self.mean = before + (loss / self._finite - before / self._finite)
        else:
            loss = math.inf
        self.losses.append(loss)

    def up_to(self, report: int) -> LearningCurve:
        """Its losses and the lowest of them after an earlier report; not their mean."""
        losses = self.losses[:report]
        return LearningCurve(self.number, losses, min(losses, default=math.inf))

    def value_at(self, report: int) -> float:
        """The last finite loss up to a report; infinity if there is none."""
        losses = self.losses
        for place in range(min(report, len(losses)) - 1, -1, -1):
            if losses[place] < math.inf:
                return losses[place]
        return math.inf

    def measured(self, measure: Measure) -> float:
        """After the latest report."""
        if measure == "value":
            return self.value_at(len(self.losses))
        return self.best if measure == "best" else self.mean

    def standing(self) -> Standing:
        """After the latest report."""
        return Standing(len(self.losses), self.best, self.losses[-1])
