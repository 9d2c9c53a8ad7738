"""What can be known of a recording before anybody judges it.

Who stands where at a report depends on who has come as far, and so on the replay. But
the order of all who ever do is known from the start. A trial's place in it stands for
its loss: places are whole numbers without ties, and a sorted list of them is all that
a replay has to keep.
"""

from __future__ import annotations

from array import array
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.replay.recording import Recording


class Table:
    """The losses of all trials after each report number n, in ascending order.

    Those of one n stand together, from `bases[n]` to before `bases[n + 1]`, equal ones
    by trial number.
    `ranks` has for each report of the recording its place among those of its n, from 0;
    `losses` and `numbers` have what stands at each place.
    """

    __slots__ = ("bases", "losses", "numbers", "ranks")

    def __init__(self, tables: Tables, losses: NDArray[np.float64]) -> None:
        recording, reports = tables.recording, tables.reports
        # By trial, then by loss, then by report number: each sort keeps ties in order.
        order = recording.by_trial
        order = order[np.argsort(losses[order], kind="stable")]
        order = order[np.argsort(reports[order], kind="stable")]
        bases = np.searchsorted(reports[order], np.arange(recording.longest + 2))
        ranks = np.empty(recording.size, np.int64)
        ranks[order] = np.arange(recording.size) - bases[reports[order]]
        self.bases: list[int] = bases.tolist()
        self.ranks = array("i", ranks.astype(np.int32).tobytes())
        self.losses = array("d", losses[order].tobytes())
        numbers = recording.numbers[recording.trials[order]]
        self.numbers = array("q", numbers.tobytes())


class Tables:
    """A recording's report numbers, bests and means, and the orders of both."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    @cached_property
    def reports(self) -> NDArray[np.int64]:
        """For each report how often its trial has reported then."""
        recording = self.recording
        reports = np.empty(recording.size, np.int64)
        begins = np.repeat(recording.first, recording.reports)
        reports[recording.by_trial] = np.arange(recording.size) - begins + 1
        return reports

    @cached_property
    def bests(self) -> NDArray[np.float64]:
        """For each report the trial's lowest loss up to there."""
        bests = np.empty(self.recording.size)
        bests[self.recording.by_trial] = self.recording.lowest
        return bests

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """For each report the mean of the trial's finite losses up to there.

        Computed in the steps of `Standings`, and so the same to the last bit.
        """
        recording = self.recording
        losses = recording.losses[recording.by_trial]
        mean = np.full(len(recording.numbers), np.inf)
        finite = np.zeros(len(recording.numbers))
        found = np.empty(recording.size)
        for n in range(recording.longest):
            there = np.flatnonzero(recording.reports > n)
            places = recording.first[there] + n
            loss = losses[places]
            counted = np.isfinite(loss)
            some = there[counted]
            finite[some] += 1
            count = finite[some]
            before = np.where(count == 1, 0.0, mean[some])
            mean[some] = before + (loss[counted] / count - before / count)
            found[places] = mean[there]
        means = np.empty(recording.size)
        means[recording.by_trial] = found
        return means

    @cached_property
    def by_best(self) -> Table:
        return Table(self, self.bests)

    @cached_property
    def by_mean(self) -> Table:
        return Table(self, self.means)
