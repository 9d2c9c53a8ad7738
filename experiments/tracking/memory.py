"""The reports of sweeps with a policy, in this process's memory: what a report is
compared with.

A sweep's memory is valid while its version is that of the row in ReportVersion, which
a writer locks first. Otherwise the trials with a later stamp are read again. So any
number of processes judge alike, and only the row's holder uses the memory.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.models import ReportVersion, Trial
from experiments.search.added_curves import add_curves
from experiments.search.records import Goal, Objective
from experiments.search.rungs import LeadingTrials, LearningCurve, Rung
from experiments.tracking import series

# Numbers of 8 bytes, of all sweeps. A larger sweep is there alone.
MAX_NUMBERS = 12_000_000
MAX_SWEEPS = 100
# Trials in the sorted orders of one sweep; 16 bytes or 32 for each. The orders at a
# report take as much as RUNG_SIZE trials in them.
MAX_RANKED, RUNG_SIZE = 1_000_000, 40
# Curves that are read at once.
BLOCK = 500
# Half numbers of a report: its loss; at its rung the lowest and the mean, the trial.
HALVES_OF_REPORT = 7


class JudgedSweep(NamedTuple):
    """A sweep whose trials are compared, and by what."""

    pk: int
    primary_metric: str
    goal: Goal

    @property
    def objective(self) -> Objective:
        return Objective(self.primary_metric, self.goal)


class KnownTrial(NamedTuple):
    """What tells whether a trial's curve is known."""

    pk: int
    number: int
    current_attempt: int
    reports: int


class SweepMemory:
    """The curves of a sweep's trials, by number."""

    def __init__(self, sweep: JudgedSweep) -> None:
        self.sweep = sweep
        # The row of ReportVersion: in another one, nothing of this is known.
        self.row, self.version = 0, -1
        self.curves: dict[int, LearningCurve] = {}
        self._attempts: dict[int, int] = {}
        self._reports = 0
        self._rungs: list[Rung] = []
        # The reports whose trials may have been sorted, and how many trials these are.
        self._asked: set[int] = set()
        self._ranked = 0
        self._leaders: LeadingTrials | None = None

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return self._reports * HALVES_OF_REPORT // 2 + self._ranked * 4

    def catch_up(self, row: int, version: int) -> None:
        """Read what was reported elsewhere up to a version of the sweep."""
        if row == self.row and version == self.version:
            return
        trials = Trial.objects.filter(sweep=self.sweep.pk)
        if row != self.row or version < self.version:
            self._forget()
            # Reports from before the sweep had a policy have no stamp.
            trials = trials.filter(reports__gt=0)
        else:
            trials = trials.filter(stamp__gt=self.version)
        self._read(
            KnownTrial(*each) for each in trials.values_list(*KnownTrial._fields)
        )
        self.row, self.version = row, version

    def _forget(self) -> None:
        self.curves.clear()
        self._attempts.clear()
        self._rungs.clear()
        self._asked.clear()
        self._reports = self._ranked = 0
        self._leaders = None

    def _read(self, rows: Iterable[KnownTrial]) -> None:
        behind: dict[int, KnownTrial] = {}
        for row in rows:
            self._forget_earlier(row)
            if row.reports > self._known(row.number):
                behind[row.pk] = row
        pks = sorted(behind)
        for first in range(0, len(pks), BLOCK):
            self._read_reports({pk: behind[pk] for pk in pks[first : first + BLOCK]})

    def _read_reports(self, behind: Mapping[int, KnownTrial]) -> None:
        start = min(self._known(row.number) for row in behind.values())
        trials = Trial.objects.filter(pk__in=behind)
        losses: dict[int, NDArray[np.float64]] = {}
        for pk, points in series.reported(trials, start=start):
            row = behind[pk]
            values = points["value"][self._known(row.number) - start :]
            losses[row.number] = self._losses(values)
            self._attempts[row.number] = row.current_attempt
        self._add(losses)

    def _add(self, losses: dict[int, NDArray[np.float64]]) -> None:
        """Many reports of many trials."""
        for number in self.curves.keys() & losses.keys():
            for loss in losses.pop(number).tolist():
                self._report(self.curves[number], loss)
        if losses:
            self._leaders = None
        self._reports += sum(map(len, losses.values()))
        add_curves(losses, self._rungs, self.curves)

    def _forget_earlier(self, row: KnownTrial) -> None:
        """Forget what an earlier attempt has reported."""
        if self._attempts.get(row.number) not in (None, row.current_attempt):
            del self._attempts[row.number]
            reports = len(self.curves.pop(row.number).losses)
            self._reports -= reports
            self._leaders = None
            for rung in self._rungs[:reports]:
                rung.remove(row.number)

    def _known(self, number: int) -> int:
        curve = self.curves.get(number)
        return len(curve.losses) if curve else 0

    def _losses(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """As Objective.loss has them, one by one."""
        sign = -1.0 if self.sweep.goal == "maximize" else 1.0
        return np.where(np.isfinite(values), 0.0 + sign * values, math.inf)

    def report(self, number: int, attempt: int, loss: float) -> int:
        """Add a trial's next report; returns its n."""
        if self._attempts.setdefault(number, attempt) != attempt:
            self._forget_earlier(KnownTrial(0, number, attempt, 0))
            self._attempts[number] = attempt
        curve = self.curves.get(number)
        if curve is None:
            curve = self.curves[number] = LearningCurve(number)
        self._report(curve, loss)
        return len(curve.losses)

    def _report(self, curve: LearningCurve, loss: float) -> None:
        curve.add(loss)
        self._reports += 1
        report = len(curve.losses)
        if report > len(self._rungs):
            self._rungs.append(Rung(report, self.curves))
        self._rungs[report - 1].add(curve)
        self._ranked += report in self._asked
        if self._leaders is not None and curve.best < self._leaders.limit:
            self._leaders.add(curve.number, curve.best)

    def rung(self, report: int) -> Rung:
        """All trials with this many reports; one has."""
        rung = self._rungs[report - 1]
        if report not in self._asked:
            if self._ranked > MAX_RANKED:
                self._forget_ranks()
            self._asked.add(report)
            self._ranked += len(rung) + RUNG_SIZE
        return rung

    def _forget_ranks(self) -> None:
        for report in self._asked:
            self._rungs[report - 1].forget_orders()
        self._asked.clear()
        self._ranked = 0

    def best_besides(self, number: int) -> float:
        """The lowest loss of all other trials; infinity for none."""
        if self._leaders is None:
            curves = self.curves.values()
            self._leaders = LeadingTrials([c.best for c in curves], [*self.curves])
        leader = self._leaders.besides(number)
        return leader.loss if leader else math.inf


class Memories:
    """Of some sweeps: those that were used last."""

    def __init__(self) -> None:
        self._lock, self._loading = Lock(), Lock()
        self._kept: OrderedDict[int, SweepMemory] = OrderedDict()

    def get(self, sweep: JudgedSweep) -> SweepMemory | None:
        """The sweep's memory, if it is of this metric. It may be behind."""
        with self._lock:
            found = self._kept.get(sweep.pk)
            if found is None or found.sweep != sweep:
                return None
            self._kept.move_to_end(sweep.pk)
            return found

    def load(self, sweep: JudgedSweep) -> None:
        """Read all reports, before the transaction in which they are needed."""
        with self._loading:
            if self.get(sweep) is not None:
                return
            made = SweepMemory(sweep)
            versions = ReportVersion.objects.filter(sweep=sweep.pk)
            # Read before the reports: it may be too low, and never too high.
            made.catch_up(*(versions.values_list("pk", "version").first() or (-1, 0)))
            self.keep(made)

    def keep(self, memory: SweepMemory) -> None:
        """Keep it, and drop others that are too many."""
        with self._lock:
            self._kept[memory.sweep.pk] = memory
            self._kept.move_to_end(memory.sweep.pk)
            while len(self._kept) > 1 and self._is_full():
                self._kept.popitem(last=False)

    def _is_full(self) -> bool:
        numbers = sum(memory.size for memory in self._kept.values())
        return numbers > MAX_NUMBERS or len(self._kept) > MAX_SWEEPS

    def drop(self, sweeps: Iterable[int]) -> None:
        """After an error nothing tells what of it was stored."""
        with self._lock:
            for pk in sweeps:
                self._kept.pop(pk, None)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


MEMORIES = Memories()
