"""What a simulated policy saved and lost, in numbers, and how reliable that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PENDING,
    TERMINATED,
)
from experiments.search.simulation.recording import Recording
from experiments.search.wording import counted

# This share of the trials, the best ones, should not be ended.
BEST_SHARE = 0.1


@dataclass(frozen=True)
class Figures:
    """The result of a sweep with a policy.

    `ended` trials were ended early. `reports` and `seconds` were used; without a policy
    it would be `reports_all` and `seconds_all`. `best` is the number of the trial with
    the lowest loss, `loss`; both are None if no trial has a finite one. `rank` is the
    rank of that loss among all trials, from 1, and `regret` how much worse it is than
    the best of all. `ended_rank` is the rank of the best trial that was ended, and
    `ended_best` how many of the best `best_count` trials were.
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
        """The share of the compute that was saved, from 0 to 1.

        It is measured in seconds if they are known, else in reports.
        """
        used, of = self.seconds, self.seconds_all
        if of <= 0:
            used, of = self.reports, self.reports_all
        return max(0.0, 1 - used / of) if of > 0 else 0.0


class Evaluation:
    """Computes what the ends of a recorded sweep's trials save and lose.

    A trial that a policy really ended has a curve up to there only. If a simulation
    lets it continue, it has as many reports and takes as long as the median of the
    completed trials, at least what it really had, and keeps the value that it had
    reached. So what really happened saved the same here as everywhere else on the site.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    @cached_property
    def usual_reports(self) -> int:
        """The median reports of completed trials; 0 without any."""
        complete = self.recording.complete
        return int(np.median(self.recording.reports[complete])) if complete.any() else 0

    @cached_property
    def usual_seconds(self) -> float:
        """The median time of completed trials; 0 without any."""
        complete = self.recording.complete
        seconds = self.recording.seconds[complete]
        return float(np.median(seconds)) if complete.any() else 0.0

    @cached_property
    def cut_short(self) -> NDArray[np.bool_]:
        """Which trials a policy really ended (T,)."""
        recording = self.recording
        cut: NDArray[np.bool_] = recording.states == TERMINATED
        return cut & (recording.stopped_after > 0)

    @cached_property
    def all_reports(self) -> NDArray[np.int64]:
        """The reports of each trial when no policy ends it (T,)."""
        recorded = self.recording.reports
        longer = np.maximum(recorded, self.usual_reports)
        return np.where(self.cut_short, longer, recorded)

    @cached_property
    def all_seconds(self) -> NDArray[np.float64]:
        """The seconds of each trial when no policy ends it (T,)."""
        recorded = self.recording.seconds
        longer = np.maximum(recorded, self.usual_seconds)
        return np.where(self.cut_short, longer, recorded)

    @cached_property
    def finals(self) -> NDArray[np.float64]:
        """Each trial's lowest loss; infinity for those without a rank."""
        levels = self.recording.level(self.recording.reports)
        return np.where(self.recording.ranked, levels, np.inf)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Each trial's rank by its lowest loss, from 1; equal ones share a rank."""
        order = np.sort(self.finals)
        return np.searchsorted(order, self.finals, side="left") + 1

    @property
    def happened(self) -> Figures:
        """The figures of what really happened."""
        recording = self.recording
        return self._figures(
            recording.stopped_after, recording.reports, recording.seconds
        )

    def figures(self, ended: NDArray[np.int64]) -> Figures:
        """The figures of a simulation with these ends (T,)."""
        recording = self.recording
        stays = ended == 0
        cut = self.cut(ended)
        reports = np.where(stays, self.all_reports, cut)
        seconds = np.where(stays, self.all_seconds, recording.spent(cut))
        return self._figures(ended, reports, seconds, cut=cut)

    def cut(self, ended: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many reports of each trial a simulation keeps (T,).

        If it ends where it really ended, that includes what it sent until it stopped.
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
        is_ended = ended > 0
        without = float(self.recording.without_reports.sum())
        known = np.isfinite(self.finals)
        best_count = math.ceil(int(known.sum()) * BEST_SHARE)
        lost = self.ranks[is_ended & known]
        best, loss, rank, regret = self._best(reached)
        return Figures(
            ended=int(is_ended.sum()),
            reports=float(reports.sum()),
            reports_all=float(self.all_reports.sum()),
            seconds=float(seconds.sum()) + without,
            seconds_all=float(self.all_seconds.sum()) + without,
            best=best,
            loss=loss,
            rank=rank,
            regret=regret,
            ended_rank=int(lost.min()) if len(lost) else None,
            ended_best=int((lost <= best_count).sum()),
            best_count=best_count,
        )

    def _best(
        self, reached: NDArray[np.float64]
    ) -> tuple[int | None, float | None, int | None, float | None]:
        """Number and loss of the best trial, the rank of its loss, and the regret."""
        if not np.isfinite(reached).any():
            return None, None, None, None
        place = int(np.argmin(reached))
        loss = float(reached[place])
        rank = int((self.finals < loss).sum()) + 1
        number = int(self.recording.numbers[place])
        return number, loss, rank, loss - float(self.finals.min())


@dataclass(frozen=True)
class Average:
    """Figures of one policy, averaged over several orders of the trials.

    `saved` is a share. `places` is the number of ranks between the best trial that was
    kept and the best of all, and `regret` the difference in the metric's unit. `lost`
    is the share of the orders in which the best trial was ended. Without a finite loss
    they are 0.
    """

    ended: float
    saved: float
    places: float
    regret: float
    lost: float

    @classmethod
    def of(cls, figures: Sequence[Figures]) -> Average:
        rows = [
            (
                each.ended,
                each.saved,
                (each.rank or 1) - 1,
                each.regret or 0.0,
                each.ended_rank == 1,
            )
            for each in figures
        ]
        return cls(*np.mean(np.array(rows, float), axis=0).tolist())


STATES: Mapping[int, str] = {PENDING: "still running", FAILED: "failed"}


def limits_in_words(evaluation: Evaluation) -> list[str]:
    """What a simulation of the recording assumes, a sentence each."""
    recording = evaluation.recording
    found = []
    stopped = int((recording.stopped_after > 0).sum())
    if stopped:
        were = "was" if stopped == 1 else "were"
        length = "no longer, as no trial has completed,"
        if usual := evaluation.usual_reports:
            length = f"for {counted(usual, 'report')}, the median of completed trials,"
        found.append(
            f"{counted(stopped, 'trial')} {were} really ended early. If a policy would"
            f" let one continue, it is assumed to run {length} and to keep the value"
            " that it had reached."
        )
    exempt = int(recording.exempt.sum())
    if exempt:
        were, its, it = ("was its it" if exempt == 1 else "were their them").split()
        found.append(
            f"{counted(exempt, 'trial')} {were} requested to run to {its} end, so no"
            f" policy ends {it} here either."
        )
    others = _others_in_words(recording)
    if others:
        found.append(f"{others}: simulated up to their last report.")
    found.append(
        "Reports come in the order in which they really arrived. When a policy ends a"
        " trial, no other trial starts earlier, and the sampler learns nothing from it:"
        " which trials it would have tried instead is not known."
    )
    return found


def _others_in_words(recording: Recording) -> str:
    """`3 still running, 2 failed`: trials that did not run to their end."""
    loose = (recording.stopped_after == 0) & (recording.states != COMPLETED)
    counts = {code: int((recording.states[loose] == code).sum()) for code in STATES}
    counts[CANCELLED] = int(loose.sum()) - sum(counts.values())
    words = {**STATES, CANCELLED: "cancelled"}
    return ", ".join(f"{n:,} {words[code]}" for code, n in counts.items() if n)
