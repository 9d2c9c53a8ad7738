"""Judging a recorded sweep again, report by report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import COMPLETED
from experiments.search.replay.recording import Recording
from experiments.search.replay.stage import Report, Stage
from experiments.search.replay.tables import Tables
from experiments.search.termination import Policy

# So many reports are judged between two signs of life.
STRIDE = 2_048
# Whose reports are judged, whose only count for the others, and whose do neither.
JUDGED, HEARD, GONE = range(3)

Pulse = Callable[[int], None]


def replay(
    recording: Recording,
    policy: Policy,
    *,
    pulse: Pulse | None = None,
    tables: Tables | None = None,
) -> NDArray[np.int64]:
    """The report after which the policy ends each trial (T,), 0 where it does not.

    What a trial has recorded after its end is not seen by anybody, but for one case:
    where it was ended in truth after that very report, what it sent until it had
    stopped counted then, and does so here. A trial that is exempt counts for the others
    and is not judged. A trial whose record is over ends there, whatever ended it.
    `pulse` is told from time to time how many reports are done. `tables`, of this
    recording, spare making them for every policy anew.
    """
    return _Replay(tables or Tables(recording), policy).run(pulse)


class _Replay:
    def __init__(self, tables: Tables, policy: Policy) -> None:
        self._recording = recording = tables.recording
        self._policy = policy
        self._stage = Stage(tables, policy.due)
        trials = len(recording.numbers)
        self._stopped_after = recording.stopped_after.tolist()
        self._completed = (recording.states == COMPLETED).tolist()
        self._conditions = bytearray(np.where(recording.exempt, HEARD, JUDGED).tolist())
        self._ended = [0] * trials

    def run(self, pulse: Pulse | None) -> NDArray[np.int64]:
        for (start, stop), ending in _stretches(self._recording):
            for place in range(start, stop, STRIDE):
                end = min(place + STRIDE, stop)
                self._judge(place, end)
                if pulse is not None:
                    pulse(end)
            for trial in ending:
                self._finish(trial)
        return np.array(self._ended, np.int64)

    def _judge(self, start: int, stop: int) -> None:
        """Take in reports one after the other: here the time goes."""
        stage, conditions, ends = self._stage, self._conditions, self._policy.ends
        trials, reports, bests = stage.trials, stage.reports, stage.bests
        columns = stage.columns
        for place in range(start, stop):
            trial = trials[place]
            condition = conditions[trial]
            if condition == GONE:
                continue
            if bests[place] < stage.second:
                stage.lead(place)
            report = reports[place]
            column = columns[report]
            if column is None:
                continue
            column.add(place)
            if condition == JUDGED and ends(Report(stage, place, column, report)):
                self._end(trial, report)

    def _end(self, trial: int, report: int) -> None:
        self._ended[trial] = report
        if report == self._stopped_after[trial]:
            self._conditions[trial] = HEARD
        else:
            self._conditions[trial] = GONE
            self._stage.finish(trial, report, completed=False)

    def _finish(self, trial: int) -> None:
        """The record of a trial is over."""
        if self._conditions[trial] != GONE:
            reports = int(self._recording.reports[trial])
            done = self._completed[trial] and not self._ended[trial]
            self._stage.finish(trial, reports, completed=done)


def _stretches(
    recording: Recording,
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """The reports parted where trials end: from, to, and the trials that end then."""
    ended = np.flatnonzero(recording.ended_at >= 0)
    order = ended[np.argsort(recording.ended_at[ended], kind="stable")]
    places = recording.ended_at[order]
    marks = np.unique(np.concatenate([[0], places, [recording.size]]))
    firsts = np.searchsorted(places, marks, side="left").tolist()
    lasts = np.searchsorted(places, marks, side="right").tolist()
    ending = [
        order[first:last].tolist() for first, last in zip(firsts, lasts, strict=True)
    ]
    yield (0, 0), ending[0]
    yield from zip(pairwise(marks.tolist()), ending[1:], strict=True)
