"""Trials at a report, in order of their losses, and each trial's curve.

Sorted orders answer a policy's questions, so that their time does not grow with the
number of trials and reports. `experiments.search.standings` uses them for the study and
the policy simulator, `experiments.tracking.memory` for stored sweeps.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Sequence
from heapq import nsmallest
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.termination.evidence import Ranked, Rivals, Standing

Measure: TypeAlias = Literal["best", "mean"]


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
    """All trials with at least n reports, as they were at report n.

    An order is made when it is first needed, and then kept up to date. `running` are
    the trials that have not ended.
    """

    __slots__ = ("_leaders", "_orders", "_running", "report", "trials")

    def __init__(
        self,
        report: int,
        running: Container[int],
        trials: Iterable[LearningCurve] = (),
    ) -> None:
        self.report = report
        self.trials = [*trials]
        self._running = running
        self._orders: dict[tuple[Measure, bool], SortedLosses] = {}
        self._leaders: LeadingTrials | None = None

    def add(self, trial: LearningCurve) -> None:
        """A trial has made report n."""
        self.trials.append(trial)
        if self._leaders is not None and trial.best <= self._leaders.limit:
            self._leaders.add(trial.number, trial.best)
        for (measure, _), order in self._orders.items():
            order.add(trial.at(measure, self.report), trial.number)

    def end(self, trial: LearningCurve) -> None:
        """A trial has ended."""
        for (measure, running_only), order in self._orders.items():
            if running_only:
                order.remove(trial.at(measure, self.report), trial.number)

    @property
    def leaders(self) -> LeadingTrials:
        if self._leaders is None:
            trials = self.trials
            self._leaders = LeadingTrials(
                column(trials, "best", self.report), [each.number for each in trials]
            )
        return self._leaders

    def order(self, measure: Measure, running_only: bool) -> SortedLosses:
        """The trials in order of a measure: all of them, or those that run."""
        order = self._orders.get((measure, running_only))
        if order is None:
            trials = self.trials
            if running_only:
                trials = [each for each in trials if each.number in self._running]
            order = SortedLosses(
                column(trials, measure, self.report),
                [trial.number for trial in trials],
            )
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
        self._count = len(rung.trials) - 1
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

    def better_than(self, loss: float) -> int:
        order, own = self._by_best()
        below = bisect_left(order.losses, loss)
        return below - (own < below)

    def ranked(self, place: int) -> Ranked:
        order, own = self._by_best()
        place += place >= own
        return Ranked(order.numbers[place], order.losses[place])

    def only_running(self) -> Rivals:
        return RungRivals(self._rung, self._own, True)

    def _by_best(self) -> tuple[SortedLosses, int]:
        """The order by best, and the trial's own place in it."""
        if self._order is None:
            self._order, self._place = self._found("best")
        return self._order, self._place

    def _found(self, measure: Measure) -> tuple[SortedLosses, int]:
        order, own = self._rung.order(measure, self._running), self._own
        return order, order.find(own.at(measure, self._rung.report), own.number)


class LearningCurve:
    """One trial's reports: its losses, infinity where not finite, and the lowest of
    the finite ones up to each report."""

    __slots__ = ("_finite", "_means", "best", "bests", "losses", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.best = math.inf
        self.losses = array("d")
        self.bests = array("d")
        self._finite = 0
        self._means = array("d")

    @classmethod
    def of(cls, number: int, losses: NDArray[np.float64]) -> LearningCurve:
        """A curve with all its reports at once: losses, infinity where not finite."""
        curve = cls(number)
        if len(losses):
            bests = np.minimum.accumulate(losses)
            curve.losses.frombytes(losses.tobytes())
            curve.bests.frombytes(bests.tobytes())
            curve.best = float(bests[-1])
        return curve

    def add(self, loss: float) -> None:
        """The next report."""
        if not -math.inf < loss < math.inf:
            loss = math.inf
        if loss < self.best:
            self.best = loss
        self.losses.append(loss)
        self.bests.append(self.best)
        # Whoever asked for means will ask again: a rung then reads them in one go.
        if self._means:
            self.at("mean", len(self.losses))

    def at(self, measure: Measure, report: int) -> float:
        """The lowest or the mean of the finite losses up to a report."""
        if measure == "best":
            return self.bests[report - 1]
        while len(self._means) < report:
            self._means.append(self._next_mean())
        return self._means[report - 1]

    def _next_mean(self) -> float:
        loss = self.losses[len(self._means)]
        before = self._means[-1] if self._finite else 0.0
        if loss == math.inf:
            return before if self._finite else math.inf
        self._finite += 1
        # Each part is divided on its own: a sum of large losses may overflow.
        return before + (loss / self._finite - before / self._finite)

    def set_means(self, means: NDArray[np.float64], finite: int) -> None:
        """The means up to each report, of which this many were finite."""
        self._means = array("d", means.tobytes())
        self._finite = finite

    def standing(self) -> Standing:
        """After the latest report."""
        return Standing(len(self.losses), self.best, self.losses[-1])


def column(
    trials: Sequence[LearningCurve], measure: Measure, report: int
) -> list[float]:
    """The measure of each trial at a report, as their `at` has it; one loop without
    calls, as there may be many thousand."""
    place = report - 1
    if measure == "best":
        return [trial.bests[place] for trial in trials]
    try:
        return [trial._means[place] for trial in trials]
    except IndexError:
        return [trial.at(measure, report) for trial in trials]


def make_means(curves: Sequence[LearningCurve]) -> None:
    """Make the means of many curves at once, as their `at` would one by one."""
    longest = max((len(curve.losses) for curve in curves), default=0)
    table = np.full((longest, len(curves)), math.inf)
    for column, curve in enumerate(curves):
        table[: len(curve.losses), column] = curve.losses
    finite = np.zeros(len(curves), np.int64)
    mean = np.zeros(len(curves))
    for row, losses in enumerate(table):
        known = losses < math.inf
        finite += known
        count = np.maximum(finite, 1)
        # As in _next_mean, so that every bit is the same.
        with np.errstate(invalid="ignore"):
            mean = np.where(known, mean + (losses / count - mean / count), mean)
        table[row] = np.where(finite > 0, mean, math.inf)
    for column, curve in enumerate(curves):
        means = table[: len(curve.losses), column]
        curve.set_means(means, int(finite[column]))
