"""How the trials of a sweep compare, report by report, kept up to date in memory.

Sorted orders answer a policy's questions, so that their time does not grow with the
number of trials and reports. The study, the policy simulator and, for running trials of
a stored sweep, `experiments.tracking.rivals` use this module.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Container, Iterable
from typing import Literal, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from experiments.search.termination.evidence import (
    MAX_FINISHED,
    Evidence,
    Finished,
    Ranked,
    Rivals,
    Standing,
)

T = TypeVar("T")
Measure: TypeAlias = Literal["best", "mean"]


class SortedLosses:
    """Losses in ascending order, each with its trial; equal ones by trial number."""

    __slots__ = ("losses", "numbers")

    def __init__(self, entries: Iterable[tuple[float, int]]) -> None:
        ordered = sorted(entries)
        self.losses = array("d", [loss for loss, _ in ordered])
        self.numbers = array("q", [number for _, number in ordered])

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

    def __init__(self) -> None:
        self._leaders: list[Ranked] = []
        # Only a loss up to this one can lead.
        self.limit = math.inf

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


def _by_loss(ranked: Ranked) -> tuple[float, int]:
    return ranked.loss, ranked.number


class StoredStanding(NamedTuple):
    """A trial's lowest and mean finite loss up to one report."""

    number: int
    best: float
    mean: float

    def at(self, measure: Measure, report: int) -> float:
        return self.best if measure == "best" else self.mean


class Rung:
    """All trials with at least n reports, as they were at report n.

    An order is made when it is first needed, and then kept up to date. `running` are
    the trials that have not ended.
    """

    __slots__ = ("_orders", "_running", "leaders", "report", "trials")

    def __init__(self, report: int, running: Container[int]) -> None:
        self.report = report
        self._running = running
        self._orders: dict[tuple[Measure, bool], SortedLosses] = {}
        self.leaders = LeadingTrials()
        self.trials: list[LearningCurve | StoredStanding] = []

    def add(self, trial: LearningCurve | StoredStanding) -> None:
        """A trial has made report n."""
        self.trials.append(trial)
        if trial.best <= self.leaders.limit:
            self.leaders.add(trial.number, trial.best)
        for (measure, _), order in self._orders.items():
            order.add(trial.at(measure, self.report), trial.number)

    def end(self, trial: LearningCurve) -> None:
        """A trial has ended."""
        for (measure, running_only), order in self._orders.items():
            if running_only:
                order.remove(trial.at(measure, self.report), trial.number)

    def order(self, measure: Measure, running_only: bool) -> SortedLosses:
        """The trials in order of a measure: all of them, or those that run."""
        order = self._orders.get((measure, running_only))
        if order is None:
            order = SortedLosses(
                (trial.at(measure, self.report), trial.number)
                for trial in self.trials
                if not running_only or trial.number in self._running
            )
            self._orders[measure, running_only] = order
        return order


class RungRivals(Rivals):
    """The other trials at a rung, valid until the next trial reports."""

    __slots__ = ("_count", "_order", "_own", "_place", "_rung", "_running")

    def __init__(
        self, rung: Rung, own: LearningCurve | StoredStanding, running: bool = False
    ) -> None:
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

    def add(self, loss: float) -> None:
        """The next report."""
        if not -math.inf < loss < math.inf:
            loss = math.inf
        if loss < self.best:
            self.best = loss
        self.losses.append(loss)
        self.bests.append(self.best)

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

    def standing(self) -> Standing:
        """After the latest report."""
        return Standing(len(self.losses), self.best, self.losses[-1])


class CompletedCurves:
    """The curves of the trials that ran to their end with a finite value."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.curves: dict[int, NDArray[np.float64]] = {}
        self.derived: dict[object, object] = {}

    def add(self, curve: LearningCurve) -> None:
        insort(self.numbers, curve.number)
        losses = np.array(curve.losses)
        losses.flags.writeable = False
        self.curves[curve.number] = losses
        if len(self.numbers) > MAX_FINISHED:
            del self.curves[self.numbers.pop(0)]
        self.derived = {}


class FinishedTrials(Finished):
    """The finished trials, seen from a running one."""

    __slots__ = ("_best", "_completed")

    def __init__(self, completed: CompletedCurves, best: float) -> None:
        self._completed = completed
        self._best = best

    @property
    def numbers(self) -> NDArray[np.int64]:
        return np.array(self._completed.numbers, np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.array([len(curve) for curve in self.curves()], np.int64)

    def curves(self) -> list[NDArray[np.float64]]:
        curves = self._completed.curves
        return [curves[number] for number in self._completed.numbers]

    def best_of_all(self) -> float:
        return self._best

    def derived(self, make: Callable[[Finished], T]) -> T:
        kept = self._completed.derived
        if make not in kept:
            kept[make] = make(self)
        return cast("T", kept[make])


class StandingEvidence(Evidence):
    """The latest report of a running trial."""

    __slots__ = ("_curve", "_standings", "number", "own", "report", "rivals")

    def __init__(self, standings: Standings, curve: LearningCurve, rung: Rung) -> None:
        self._standings = standings
        self._curve = curve
        self.number: int = curve.number
        self.report: int = rung.report
        self.own: Standing = Standing(self.report, curve.best, curve.losses[-1])
        self.rivals: Rivals = RungRivals(rung, curve)

    def losses(self) -> NDArray[np.float64]:
        return np.array(self._curve.losses)

    def best_at(self, report: int) -> float:
        return self._curve.bests[report - 1]

    @property
    def finished(self) -> Finished:
        return self._standings.finished(self.number)


def _always(report: int) -> bool:
    return True


class Standings:
    """Standings of the trials of a sweep, by number. Each is started once.

    `due` says at which reports trials are judged.
    """

    def __init__(self, due: Callable[[int], bool] = _always) -> None:
        self._due = due
        self._curves: dict[int, LearningCurve] = {}
        self._rungs: list[Rung | None] = []
        self._running: set[int] = set()
        self._completed = CompletedCurves()
        self._leaders = LeadingTrials()

    def start(self, number: int) -> None:
        """A trial starts to run."""
        self._curves[number] = LearningCurve(number)
        self._running.add(number)

    def report(self, number: int, loss: float) -> Evidence | None:
        """A trial's next report. NaN and infinities count, but give no value.

        Returns what a policy may use; None if it does not judge this report.
        """
        curve = self._curves[number]
        curve.add(loss)
        if curve.best < self._leaders.limit:
            self._leaders.add(number, curve.best)
        report = len(curve.losses)
        if report > len(self._rungs):
            due = self._due(report)
            self._rungs.append(Rung(report, self._running) if due else None)
        rung = self._rungs[report - 1]
        if rung is None:
            return None
        rung.add(curve)
        return StandingEvidence(self, curve, rung)

    def finish(self, number: int, *, completed: bool = True) -> None:
        """A trial has ended, by itself (completed) or not; its standings stay."""
        self._running.discard(number)
        curve = self._curves[number]
        for rung in self._rungs[: len(curve.losses)]:
            if rung is not None:
                rung.end(curve)
        if completed and curve.best < math.inf:
            self._completed.add(curve)

    def losses(self, number: int) -> NDArray[np.float64]:
        """A trial's losses so far, report by report."""
        return np.array(self._curves[number].losses)

    def standing(self, number: int) -> Standing:
        """A trial's standing after its latest report."""
        return self._curves[number].standing()

    def first_losses(self, reports: int) -> dict[int, list[float]]:
        """The first losses of trials with at least that many reports, by number."""
        return {
            number: curve.losses[:reports].tolist()
            for number, curve in self._curves.items()
            if len(curve.losses) >= reports
        }

    def finished(self, number: int) -> Finished:
        """The finished trials, seen from another one."""
        leader = self._leaders.besides(number)
        return FinishedTrials(self._completed, leader.loss if leader else math.inf)
