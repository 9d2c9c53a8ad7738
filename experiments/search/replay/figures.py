"""What a replay saved and what it lost, in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.replay.recording import Recording

# The best so many of all trials are those that nobody wants to lose.
BEST_SHARE = 0.1


@dataclass(frozen=True)
class Figures:
    """One way in which a sweep might have gone.

    `ended` trials were ended early. `reports` and `seconds` were used, of `reports_all`
    and `seconds_all` that every trial takes which runs to its end. `best` is the number
    of the trial with the lowest loss that was reached, `loss`; both are None when no
    trial has a finite one. `rank` is the place of that loss among all, from 1, and
    `regret` how much worse it is than the best of all. `ended_rank` is the place of
    the best trial that was ended, and `ended_best` how many of the best `best_count`
    were.
    """

    ended: int
    reports: float
    reports_all: float
    seconds: float
    seconds_all: float
    best: int | None
    loss: float | None
    rank: int | None
    regret: float | None
    ended_rank: int | None
    ended_best: int
    best_count: int

    @property
    def saved(self) -> float:
        """The share of the compute that was not used, from 0 to 1.

        It is measured in seconds where they are known, else in reports.
        """
        used, of = self.seconds, self.seconds_all
        if of <= 0:
            used, of = self.reports, self.reports_all
        return max(0.0, 1 - used / of) if of > 0 else 0.0


class Weighing:
    """Weighs the ends of a recorded sweep's trials against one another.

    A trial that a policy ended in truth has a curve up to there only. Where a replay
    lets it go on, it is taken to run as long as completed trials do in the median,
    at its own pace, and its value stays what it had reached.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    @cached_property
    def usual(self) -> int:
        """The reports of a completed trial, in the median; of the longest without."""
        reports = self.recording.reports[self.recording.complete]
        if len(reports) == 0:
            return self.recording.longest
        return int(np.median(reports))

    @cached_property
    def all_reports(self) -> NDArray[np.int64]:
        """The reports of each trial when no policy ends it (T,)."""
        recorded = self.recording.reports
        cut_short = self.recording.stopped_after > 0
        return np.where(cut_short, np.maximum(recorded, self.usual), recorded)

    @cached_property
    def all_seconds(self) -> NDArray[np.float64]:
        """The seconds of each trial when no policy ends it (T,)."""
        pace = self.all_reports / np.maximum(self.recording.reports, 1)
        return self.recording.seconds * np.where(pace > 0, pace, 1.0)

    @cached_property
    def finals(self) -> NDArray[np.float64]:
        """Each trial's lowest loss; infinity for those that are not ranked."""
        levels = self.recording.level(self.recording.reports)
        return np.where(self.recording.ranked, levels, np.inf)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Each trial's place by its lowest loss, from 1; equal ones share a place."""
        order = np.sort(self.finals)
        return np.searchsorted(order, self.finals, side="left") + 1

    @property
    def happened(self) -> Figures:
        """What there was in truth."""
        recording = self.recording
        return self._figures(
            recording.stopped_after, recording.reports, recording.seconds
        )

    def figures(self, ended: NDArray[np.int64]) -> Figures:
        """What a replay's ends (T,) come to."""
        recording = self.recording
        stays = ended == 0
        cut = self.cut(ended)
        reports = np.where(stays, self.all_reports, cut)
        seconds = np.where(stays, self.all_seconds, recording.spent(cut))
        return self._figures(ended, reports, seconds, cut=cut)

    def cut(self, ended: NDArray[np.int64]) -> NDArray[np.int64]:
        """How much of each trial's record a replay leaves (T,).

        An end that is the true one leaves what the trial sent until it had stopped.
        """
        recording = self.recording
        whole = (ended == 0) | (ended == recording.stopped_after)
        return np.where(whole, recording.reports, ended)

    def _figures(
        self,
        ended: NDArray[np.int64],
        reports: NDArray[np.int64],
        seconds: NDArray[np.float64],
        *,
        cut: NDArray[np.int64] | None = None,
    ) -> Figures:
        reached = self.finals
        if cut is not None:
            levels = self.recording.level(cut)
            reached = np.where(self.recording.ranked, levels, np.inf)
        gone = ended > 0
        known = np.isfinite(self.finals)
        most = math.ceil(int(known.sum()) * BEST_SHARE)
        lost = self.ranks[gone & known]
        best, loss, rank, regret = self._best(reached)
        return Figures(
            ended=int(gone.sum()),
            reports=float(reports.sum()),
            reports_all=float(self.all_reports.sum()),
            seconds=float(seconds.sum()),
            seconds_all=float(self.all_seconds.sum()),
            best=best,
            loss=loss,
            rank=rank,
            regret=regret,
            ended_rank=int(lost.min()) if len(lost) else None,
            ended_best=int((lost <= most).sum()),
            best_count=most,
        )

    def _best(
        self, reached: NDArray[np.float64]
    ) -> tuple[int | None, float | None, int | None, float | None]:
        """Number and loss of the best trial, its loss's place, and the regret."""
        if not np.isfinite(reached).any():
            return None, None, None, None
        place = int(np.argmin(reached))
        loss = float(reached[place])
        rank = int((self.finals < loss).sum()) + 1
        number = int(self.recording.numbers[place])
        return number, loss, rank, loss - float(self.finals.min())
