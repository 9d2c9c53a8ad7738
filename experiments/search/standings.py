"""How the trials of one sweep stand, report by report, kept up as reports come in.

Every question of a policy is looked up in orders that are kept sorted: nothing is
scanned, however many trials and reports there are.
"""

from __future__ import annotations

import math
from array import array
from bisect import insort
from collections.abc import Callable, Iterator
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from experiments.search.columns import Column, ColumnRivals
from experiments.search.termination.evidence import (
    MOST_FINISHED,
    Evidence,
    Finished,
    Ranked,
    Rivals,
    Standing,
)

T = TypeVar("T")


class Run:
    """One trial's own numbers so far: losses, infinity where not finite."""

    __slots__ = ("best", "finite", "losses", "mean", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.losses = array("d")
        self.finite = 0
        self.best = math.inf
        self.mean = math.inf

    def add(self, loss: float) -> bool:
        """The next report; whether it is the best so far."""
        if not -math.inf < loss < math.inf:
            self.losses.append(math.inf)
            return False
        self.losses.append(loss)
        self.finite = finite = self.finite + 1
        before = 0.0 if finite == 1 else self.mean
        # Each part is divided on its own: a sum of large losses may overflow.
        self.mean = before + (loss / finite - before / finite)
        if loss >= self.best:
            return False
        self.best = loss
        return True

    def standing(self) -> Standing:
        """After the latest report."""
        return Standing(len(self.losses), self.best, self.mean, self.losses[-1])

    def standings(self) -> Iterator[Standing]:
        """After each report, to the same bits as they were then."""
        again = Run(self.number)
        for loss in self.losses:
            again.add(loss)
            yield again.standing()


class Completed:
    """The curves of the trials that ran to their own end with a finite value."""

    def __init__(self) -> None:
        self._latest: list[int] = []
        self._curves: dict[int, NDArray[np.float64]] = {}
        self.derived: dict[object, object] = {}

    def add(self, run: Run) -> None:
        insort(self._latest, run.number)
        curve = np.array(run.losses)
        curve.flags.writeable = False
        self._curves[run.number] = curve
        if len(self._latest) > MOST_FINISHED:
            del self._curves[self._latest.pop(0)]
        self.derived = {}

    @property
    def numbers(self) -> list[int]:
        """Ascending."""
        return self._latest

    def curves(self) -> list[NDArray[np.float64]]:
        return [self._curves[number] for number in self._latest]


class Finalists(Finished):
    """The finished trials beside one that is judged, and so is not among them."""

    __slots__ = ("_best", "_completed")

    def __init__(self, completed: Completed, best: float) -> None:
        self._completed = completed
        self._best = best

    @property
    def numbers(self) -> NDArray[np.int64]:
        return np.array(self._completed.numbers, np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.array([len(curve) for curve in self.curves()], np.int64)

    def curves(self) -> list[NDArray[np.float64]]:
        return self._completed.curves()

    def best_of_all(self) -> float:
        return self._best

    def derived(self, make: Callable[[Finished], T]) -> T:
        kept = self._completed.derived
        if make not in kept:
            kept[make] = make(self)
        return cast("T", kept[make])


class StandingEvidence(Evidence):
    """The latest report of a running trial."""

    __slots__ = ("_run", "_standings", "number", "own", "report")

    def __init__(self, standings: Standings, run: Run) -> None:
        self._standings = standings
        self._run = run
        self.number: int = run.number
        self.own: Standing = run.standing()
        self.report: int = self.own.report

    def losses(self) -> NDArray[np.float64]:
        return np.array(self._run.losses)

    @property
    def rivals(self) -> Rivals:
        column = self._standings.column(self.report)
        return ColumnRivals(column, self.number, self.own)

    @property
    def finished(self) -> Finished:
        return self._standings.finished(self.number)


class Standings:
    """Standings of the trials of a sweep, by number. Each is started once."""

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        self._columns: list[Column] = []
        self._running: set[int] = set()
        self._completed = Completed()
        # The two best trials of all: whoever is judged, one of them is another.
        self._leaders: list[Ranked] = []

    def start(self, number: int) -> None:
        """A trial begins to run."""
        self._runs[number] = Run(number)
        self._running.add(number)

    def report(self, number: int, loss: float) -> None:
        """A trial's next report. NaN and infinities count, but give no value."""
        run = self._runs[number]
        if run.add(loss):
            self._lead(number, run.best)
        report = len(run.losses)
        if report > len(self._columns):
            self._columns.append(Column(self._running))
        self._columns[report - 1].add(number, run.best, run.mean)

    def finish(self, number: int, *, completed: bool = True) -> None:
        """A trial has ended, by itself (completed) or not; its standings remain."""
        self._running.discard(number)
        run = self._runs[number]
        columns = self._columns[: len(run.losses)]
        if any(column.tells_running for column in columns):
            for column, standing in zip(columns, run.standings(), strict=True):
                column.end(number, standing.best, standing.mean)
        if completed and run.finite:
            self._completed.add(run)

    def evidence(self, number: int) -> Evidence:
        """What a policy may look at after the latest report of a running trial."""
        return StandingEvidence(self, self._runs[number])

    def losses(self, number: int) -> NDArray[np.float64]:
        """A trial's losses so far, report by report."""
        return np.array(self._runs[number].losses)

    def best(self, number: int) -> float:
        """A trial's best loss so far, infinity without a finite one."""
        return self._runs[number].best

    def first_losses(self, reports: int) -> dict[int, list[float]]:
        """The first losses of every trial with at least so many reports, by number."""
        return {
            number: run.losses[:reports].tolist()
            for number, run in self._runs.items()
            if len(run.losses) >= reports
        }

    def column(self, report: int) -> Column:
        """The trials that have come as far as a report, cut there."""
        return self._columns[report - 1]

    def finished(self, number: int) -> Finished:
        """The finished trials, seen from another one."""
        others = [loss for leader, loss in self._leaders if leader != number]
        return Finalists(self._completed, min(others, default=math.inf))

    def _lead(self, number: int, best: float) -> None:
        if len(self._leaders) == 2 and best >= self._leaders[1].loss:
            return
        others = [leader for leader in self._leaders if leader.number != number]
        ranked = sorted([*others, Ranked(number, best)], key=lambda one: one.loss)
        self._leaders = ranked[:2]
