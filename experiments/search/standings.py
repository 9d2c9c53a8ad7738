"""How the trials of a sweep compare, report by report, kept up to date in memory: for
the study and the policy simulator."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from experiments.search.rungs import LeadingTrials, LearningCurve, Rung, RungRivals
from experiments.search.termination.evidence import (
    MAX_FINISHED,
    Evidence,
    Finished,
    Rivals,
    Standing,
)

T = TypeVar("T")


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
    """The latest report of a running trial.

    `rivals` finds the rivals of a curve at its latest report, and `finished` the
    finished trials, seen from the one with a number.
    """

    __slots__ = (
        *("_curve", "_finished", "_rivals", "number", "own", "report", "rivals"),
    )

    def __init__(
        self,
        curve: LearningCurve,
        rivals: Callable[[LearningCurve, int], Rivals],
        finished: Callable[[int], Finished],
    ) -> None:
        self._curve = curve
        self._finished = finished
        self._rivals = rivals
        self.number: int = curve.number
        self.own: Standing = curve.standing()
        self.report: int = self.own.report
        self.rivals: Rivals = rivals(curve, self.report)

    def losses(self) -> NDArray[np.float64]:
        return np.array(self._curve.losses)

    def rivals_at(self, report: int) -> Rivals:
        return self._rivals(self._curve.up_to(report), report)

    @property
    def finished(self) -> Finished:
        return self._finished(self.number)


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
            rung = Rung(report, self._curves, self._running) if due else None
            self._rungs.append(rung)
        rung = self._rungs[report - 1]
        if rung is None:
            return None
        rung.add(curve)
        return StandingEvidence(curve, self._rivals, self.finished)

    def _rivals(self, own: LearningCurve, report: int) -> RungRivals:
        rung = self._rungs[report - 1]
        if rung is None:
            # No trial is judged at this report, so it is made for the one that asks.
            rung = Rung(report, self._curves, self._running)
            for curve in self._curves.values():
                if len(curve.losses) >= report:
                    rung.add(curve.up_to(report))
        return RungRivals(rung, own)

    def finish(self, number: int, *, completed: bool = True) -> None:
        """A trial has ended, by itself (completed) or not; its standings stay."""
        self._running.discard(number)
        curve = self._curves[number]
        for rung in self._rungs[: len(curve.losses)]:
            if rung is not None:
                rung.end(number)
        if completed and curve.best < math.inf:
            self._completed.add(curve)

    def losses(self, number: int) -> NDArray[np.float64]:
        """A trial's losses so far, report by report."""
        return np.array(self._curves[number].losses)

    def standing(self, number: int) -> Standing:
        """A trial's standing after its latest report."""
        return self._curves[number].standing()

    def finished(self, number: int) -> Finished:
        """The finished trials, seen from another one."""
        leader = self._leaders.besides(number)
        return FinishedTrials(self._completed, leader.loss if leader else math.inf)
