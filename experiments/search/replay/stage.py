"""How a recorded sweep stands in the middle of a replay.

It answers policies as `experiments.search.standings` does. What differs is that the
whole record is known before: `experiments.search.replay.tables`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from experiments.search.replay.columns import Column, Others
from experiments.search.replay.tables import Tables
from experiments.search.standings import Completed, Finalists, Run
from experiments.search.termination.evidence import (
    Evidence,
    Finished,
    Ranked,
    Rivals,
    Standing,
)


class Report(Evidence):
    """The report at one place of the recording. Made anew for each one, and cheap."""

    __slots__ = ("_place", "_stage", "number", "own", "report", "rivals")

    def __init__(self, stage: Stage, place: int, column: Column, report: int) -> None:
        self._stage = stage
        self._place = place
        self.number: int = stage.numbers[stage.trials[place]]
        self.report: int = report
        self.own: Standing = Standing(
            report, stage.bests[place], stage.means[place], stage.losses[place]
        )
        self.rivals: Rivals = Others(column, place)

    def losses(self) -> NDArray[np.float64]:
        return self._stage.curve(self._stage.trials[self._place], self.report)

    @property
    def finished(self) -> Finished:
        return self._stage.finished(self.number)


class Stage:
    """A recording, and what of it has happened so far in a replay.

    `due` tells whether a report of that number is ever judged: nobody asks about the
    others, so they are not kept.
    """

    def __init__(self, tables: Tables, due: Callable[[int], bool]) -> None:
        self._recording = recording = tables.recording
        self.numbers: list[int] = recording.numbers.tolist()
        self.trials = array("i", recording.trials.astype(np.int32).tobytes())
        self.reports = array("i", tables.reports.astype(np.int32).tobytes())
        self.losses = array("d", recording.losses.tobytes())
        self.bests = array("d", tables.bests.tobytes())
        self.means = array("d", tables.means.tobytes())
        self._running = bytearray(b"\1" * len(self.numbers))
        self.columns: list[Column | None] = [
            Column(tables, n, self._running) if n and due(n) else None
            for n in range(recording.longest + 1)
        ]
        self._completed = Completed()
        self._leaders: list[Ranked] = []
        self.second = math.inf

    def lead(self, place: int) -> None:
        """A report is lower than the second best of all."""
        number = self.numbers[self.trials[place]]
        others = [leader for leader in self._leaders if leader.number != number]
        best = Ranked(number, self.bests[place])
        self._leaders = sorted([*others, best], key=lambda one: one.loss)[:2]
        if len(self._leaders) == 2:
            self.second = self._leaders[1].loss

    def finish(self, trial: int, reports: int, *, completed: bool) -> None:
        """A trial has ended after so many reports, by itself (completed) or not."""
        recording = self._recording
        self._running[trial] = 0
        first = recording.first[trial]
        for n in range(1, reports + 1):
            column = self.columns[n]
            if column is not None and column.tells_running:
                column.drop(int(recording.by_trial[first + n - 1]))
        if completed and reports:
            curve = self.curve(trial, reports)
            if np.isfinite(curve).any():
                run = Run(self.numbers[trial])
                run.losses = array("d", curve.tobytes())
                self._completed.add(run)

    def curve(self, trial: int, reports: int) -> NDArray[np.float64]:
        """The losses of a trial's first reports."""
        recording = self._recording
        first = recording.first[trial]
        return recording.losses[recording.by_trial[first : first + reports]]

    def finished(self, number: int) -> Finished:
        """The finished trials, seen from another one."""
        others = [loss for leader, loss in self._leaders if leader != number]
        return Finalists(self._completed, min(others, default=math.inf))
