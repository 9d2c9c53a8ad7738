"""What a replay saved and what it lost, in numbers.

How far a replay can be trusted, in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import CANCELLED, COMPLETED, FAILED, PENDING
from experiments.search.simulation.recording import Recording
from experiments.search.wording import counted

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


class Evaluation:
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


CURVES = "Their curves stop"
STATES: Mapping[int, str] = {PENDING: "still running", FAILED: "failed"}


def limits_in_words(evaluation: Evaluation) -> list[str]:
    """What a replay of the recording takes for granted, a sentence each."""
    recording = evaluation.recording
    found = []
    stopped = int((recording.stopped_after > 0).sum())
    if stopped:
        was, them = ("was", "Its curve stops") if stopped == 1 else ("were", CURVES)
        found.append(
            f"{counted(stopped, 'trial')} {was} really ended early. {them} there: where"
            f" a policy would let one go on, it is taken to run for"
            f" {counted(evaluation.usual, 'report')}, as completed trials do in the"
            " median, and its value stays what it had reached."
        )
    exempt = int(recording.exempt.sum())
    if exempt:
        was, its = ("was", "its") if exempt == 1 else ("were", "their")
        found.append(
            f"{counted(exempt, 'trial')} {was} asked to run to {its} end, so no"
            " policy is asked here either."
        )
    others = _others_in_words(recording)
    if others:
        found.append(f"{others}: replayed up to their last report.")
    found.append(
        "Reports come in the order in which they really came. A trial does not start"
        " earlier because another one ends earlier, and the sampler does not learn of"
        " the ends: what would have been tried instead is not known."
    )
    return found


def _others_in_words(recording: Recording) -> str:
    """`3 still running, 2 failed`: trials without an end of their own."""
    loose = (recording.stopped_after == 0) & (recording.states != COMPLETED)
    counts = {code: int((recording.states[loose] == code).sum()) for code in STATES}
    counts[CANCELLED] = int(loose.sum()) - sum(counts.values())
    words = {**STATES, CANCELLED: "cancelled"}
    return ", ".join(f"{n:,} {words[code]}" for code, n in counts.items() if n)
