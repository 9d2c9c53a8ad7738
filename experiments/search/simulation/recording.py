"""The reports of a sweep as arrays, in the order in which they arrived.

The same trials in another order: a result should not hang on who came first.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.history import COMPLETED, FAILED
from experiments.search.records import Objective


@dataclass(frozen=True)
class Recording:
    """T trials and their E reports of the primary metric.

    By trial: `numbers` (T,) ascending; `states` (T,) as codes of
    `experiments.search.history`; `starts` (T,) and `seconds` (T,), when its training
    began and how long it took; `ended_at` (T,), how many of the E reports had arrived
    when it ended, -1 where it has not ended; `stopped_after` (T,), the report after
    which a policy ended it in truth, 0 where none did; `exempt` (T,), whether somebody
    asked for it to run to its end, so that no policy judges it.

    By report: `trials` (E,), the place of its trial among the T; `losses` (E,),
    infinity where the value was not finite; `times` (E,), ascending but for small
    differences between clocks. Times are seconds on one clock.
    """

    numbers: NDArray[np.int64]
    states: NDArray[np.int8]
    starts: NDArray[np.float64]
    seconds: NDArray[np.float64]
    ended_at: NDArray[np.int64]
    stopped_after: NDArray[np.int64]
    exempt: NDArray[np.bool_]
    trials: NDArray[np.int32]
    losses: NDArray[np.float64]
    times: NDArray[np.float64]

    @classmethod
    def empty(cls) -> Recording:
        """Of a sweep in which nothing was reported."""
        none, some = np.zeros(0, np.int64), np.zeros(0)
        return cls(
            numbers=none,
            states=np.zeros(0, np.int8),
            starts=some,
            seconds=some,
            ended_at=none,
            stopped_after=none,
            exempt=np.zeros(0, np.bool_),
            trials=np.zeros(0, np.int32),
            losses=some,
            times=some,
        )

    @property
    def size(self) -> int:
        """How many reports there are."""
        return len(self.trials)

    @cached_property
    def reports(self) -> NDArray[np.int64]:
        """How often each trial reported."""
        return np.bincount(self.trials, minlength=len(self.numbers)).astype(np.int64)

    @cached_property
    def longest(self) -> int:
        """The reports of the trial that has most of them; 0 without any."""
        return int(self.reports.max(initial=0))

    @property
    def complete(self) -> NDArray[np.bool_]:
        """The trials whose curves are known to their own end."""
        complete: NDArray[np.bool_] = self.states == COMPLETED
        return complete

    @property
    def ranked(self) -> NDArray[np.bool_]:
        """The trials that may be the best: failed ones never are."""
        ranked: NDArray[np.bool_] = self.states != FAILED
        return ranked

    @cached_property
    def by_trial(self) -> NDArray[np.int64]:
        """The places of all reports, trial by trial, each trial's in their order."""
        return np.argsort(self.trials, kind="stable")

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Where each trial's reports begin in `by_trial`."""
        return np.cumsum(self.reports) - self.reports

    @cached_property
    def lowest(self) -> NDArray[np.float64]:
        """For each place of `by_trial`, the trial's lowest loss up to there."""
        found = self.losses[self.by_trial]
        for start, count in zip(self.first, self.reports, strict=True):
            part = found[start : start + count]
            np.minimum.accumulate(part, out=part)
        return found

    def level(self, cut: NDArray[np.int64]) -> NDArray[np.float64]:
        """Each trial's lowest loss in its first `cut` reports, infinity for none."""
        levels = np.full(len(self.numbers), np.inf)
        some = cut > 0
        levels[some] = self.lowest[(self.first + cut - 1)[some]]
        return levels

    def spent(self, cut: NDArray[np.int64]) -> NDArray[np.float64]:
        """Each trial's seconds up to its `cut`-th report, those of all if it is last.

        A trial that goes on after its last report is not over with it.
        """
        spent = np.where(cut >= self.reports, self.seconds, 0.0)
        inside = (cut > 0) & (cut < self.reports)
        moments = self.times[self.by_trial[(self.first + cut - 1)[inside]]]
        spent[inside] = np.clip(
            moments - self.starts[inside], 0.0, self.seconds[inside]
        )
        return spent

    def moment(self, place: int, report: int) -> float:
        """When a trial's report of that number arrived."""
        return float(self.times[self.by_trial[self.first[place] + report - 1]])

    def dump(self) -> bytes:
        """All arrays in one block of bytes, which `load` reads."""
        block = io.BytesIO()
        np.savez(
            block,
            allow_pickle=False,
            **{each.name: getattr(self, each.name) for each in fields(self)},
        )
        return block.getvalue()

    @classmethod
    def load(cls, block: bytes) -> Recording:
        """The recording that was dumped."""
        with np.load(io.BytesIO(block), allow_pickle=False) as arrays:
            return cls(**{each.name: arrays[each.name] for each in fields(cls)})


def losses_of(values: NDArray[np.float64], objective: Objective) -> NDArray[np.float64]:
    """Values in the metric's own sign as losses; infinity for what is not finite."""
    losses = -values if objective.maximizes else values
    return np.where(np.isfinite(losses), losses, np.inf)


def shuffled(recording: Recording, seed: int) -> Recording:
    """The recording with the trials' starts dealt out anew.

    Each trial keeps its curve and its pace; only when it begins is another one's time.
    What it sent after a true end belongs to that order alone, so it does not linger.
    """
    rng = np.random.default_rng([seed, len(recording.numbers)])
    starts = rng.permutation(recording.starts)
    shift = starts - recording.starts
    times = recording.times + shift[recording.trials]
    order = np.lexsort((recording.trials, times))
    order = _each_in_its_order(order, recording.trials)
    ends = recording.starts + recording.seconds + shift
    ended_at = np.searchsorted(times[order], ends, side="right")
    last = np.zeros(len(starts), np.int64)
    np.maximum.at(last, recording.trials[order], np.arange(1, len(order) + 1))
    return replace(
        recording,
        starts=starts,
        ended_at=np.where(recording.ended_at < 0, -1, np.maximum(ended_at, last)),
        stopped_after=np.zeros_like(recording.stopped_after),
        trials=recording.trials[order],
        losses=recording.losses[order],
        times=times[order],
    )


def _each_in_its_order(
    order: NDArray[np.intp], trials: NDArray[np.int32]
) -> NDArray[np.intp]:
    """An order of the reports in which those of one trial keep theirs.

    Reports of one moment, or of clocks that differ, could change places otherwise.
    """
    kept = np.empty_like(order)
    by_trial = np.argsort(trials[order], kind="stable")
    kept[by_trial] = np.argsort(trials, kind="stable")
    return kept
