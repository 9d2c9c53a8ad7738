"""A policy judges a recorded sweep, report by report, once or in several orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import COMPLETED
from experiments.search.simulation.figures import Average, Evaluation
from experiments.search.simulation.recording import Recording, shuffled
from experiments.search.standings import Standings
from experiments.search.termination import Policy

# The number of reports between two calls of the progress callback.
STRIDE = 2_048
# A trial's reports are judged, or only count for the others, or do neither.
JUDGED, COUNTED, IGNORED = range(3)

# Called with the number of reports that are done.
OnReports = Callable[[int], None]
# Called with the share of all the work that is done, from 0 to 1; may raise to stop.
Progress = Callable[[float], None]


def simulate(
    recording: Recording, policy: Policy, *, on_reports: OnReports | None = None
) -> NDArray[np.int64]:
    """The report after which the policy ends each trial (T,), 0 if it does not.

    Reports after that end count for nobody, with one exception: if the trial really
    ended after that very report, the reports that it sent until it stopped counted then
    and count here. An exempt trial is not judged, but counts for the others. A trial
    ends where its record does. `on_reports` is called from time to time.
    """
    return _Simulation(recording, policy).run(on_reports)


class _Simulation:
    def __init__(self, recording: Recording, policy: Policy) -> None:
        self._recording = recording
        self._policy = policy
        self._standings = Standings(policy.due)
        self._numbers: list[int] = recording.numbers.tolist()
        for number in self._numbers:
            self._standings.start(number)
        self._stopped_after = recording.stopped_after.tolist()
        self._completed = (recording.states == COMPLETED).tolist()
        self._conditions = np.where(recording.exempt, COUNTED, JUDGED).tolist()
        self._ended = [0] * len(self._numbers)

    def run(self, on_reports: OnReports | None) -> NDArray[np.int64]:
        for (start, stop), ending in _stretches(self._recording):
            for place in range(start, stop, STRIDE):
                end = min(place + STRIDE, stop)
                self._judge(place, end)
                if on_reports is not None:
                    on_reports(end)
            for trial in ending:
                self._finish(trial)
        return np.array(self._ended, np.int64)

    def _judge(self, start: int, stop: int) -> None:
        """Take in reports one by one: most of the time is spent here."""
        conditions, numbers = self._conditions, self._numbers
        report, ends = self._standings.report, self._policy.ends
        trials = self._recording.trials[start:stop].tolist()
        losses = self._recording.losses[start:stop].tolist()
        for trial, loss in zip(trials, losses, strict=True):
            condition = conditions[trial]
            if condition == IGNORED:
                continue
            evidence = report(numbers[trial], loss)
            if evidence is not None and condition == JUDGED and ends(evidence):
                self._end(trial, evidence.report)

    def _end(self, trial: int, report: int) -> None:
        self._ended[trial] = report
        if report == self._stopped_after[trial]:
            self._conditions[trial] = COUNTED
        else:
            self._conditions[trial] = IGNORED
            self._standings.finish(self._numbers[trial], completed=False)

    def _finish(self, trial: int) -> None:
        """The record of a trial has ended."""
        if self._conditions[trial] != IGNORED:
            done = self._completed[trial] and not self._ended[trial]
            self._standings.finish(self._numbers[trial], completed=done)


def _stretches(
    recording: Recording,
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """The reports between ends of trials: from, to, and the trials that end then."""
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


def simulations(
    recording: Recording, policies: Sequence[Policy], progress: Progress
) -> Iterator[NDArray[np.int64]]:
    """The result of `simulate` for each policy."""
    work = _WorkProgress(progress, recording.size, len(policies))
    for policy in policies:
        yield simulate(recording, policy, on_reports=work.next())


def averages(
    recording: Recording,
    policies: Sequence[Policy],
    progress: Progress,
    *,
    orders: int,
) -> Iterator[Average]:
    """Each policy's figures, averaged over shuffled orders of the trials."""
    evaluation = Evaluation(recording)
    shuffles = [shuffled(recording, seed) for seed in range(orders)]
    work = _WorkProgress(progress, recording.size, orders * len(policies))
    for policy in policies:
        ends = [simulate(order, policy, on_reports=work.next()) for order in shuffles]
        yield Average.of([evaluation.figures(ended) for ended in ends])


class _WorkProgress:
    """Turns the reports of each simulation into the share of all the work."""

    def __init__(self, progress: Progress, size: int, simulations: int) -> None:
        self._progress = progress
        self._size = size
        self._whole = max(1, size * simulations)
        self._before = -size

    def next(self) -> OnReports:
        """The callback for the next simulation."""
        self._before += self._size
        return self._tell

    def _tell(self, reports: int) -> None:
        self._progress((self._before + reports) / self._whole)
