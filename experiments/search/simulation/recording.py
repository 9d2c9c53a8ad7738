"""The reports of a sweep as arrays, in order of arrival, or shuffled, or a sample."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields, replace
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
    when it ended, -1 if it has not ended; `stopped_after` (T,), the report after which
    a policy really ended it, 0 if none did; `exempt` (T,), whether it was requested to
    run to its end, so that no policy judges it.

    By report: `trials` (E,), the index of its trial among the T; `losses` (E,), where
    lower is better, infinity if the value was not finite; `times` (E,), ascending apart
    from small differences between clocks. Times are seconds on one clock.

    `without_reports` (U,) are the seconds of trials that have none.
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
    without_reports: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def empty(cls) -> Recording:
        """The recording of a sweep without reports."""
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
        """The number of all reports."""
        return len(self.trials)

    @cached_property
    def reports(self) -> NDArray[np.int64]:
        """The number of reports of each trial."""
        return np.bincount(self.trials, minlength=len(self.numbers)).astype(np.int64)

    @cached_property
    def longest(self) -> int:
        """The number of reports of the trial that has most."""
        return int(self.reports.max(initial=0))

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which trials ran to their end."""
        complete: NDArray[np.bool_] = self.states == COMPLETED
        return complete

    @property
    def ranked(self) -> NDArray[np.bool_]:
        """Which trials may be the best: all but failed ones."""
        ranked: NDArray[np.bool_] = self.states != FAILED
        return ranked

    @cached_property
    def by_trial(self) -> NDArray[np.int64]:
        """The indices of all reports, trial by trial, each trial's in their order."""
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
        """Each trial's lowest loss in its first `cut` reports; infinity without any."""
        levels = np.full(len(self.numbers), np.inf)
        some = cut > 0
        levels[some] = self.lowest[(self.first + cut - 1)[some]]
        return levels

    def spent(self, cut: NDArray[np.int64]) -> NDArray[np.float64]:
        """Each trial's seconds up to its `cut`-th report.

        If that is its last one, they include the time that it ran after it.
        """
        spent = np.where(cut >= self.reports, self.seconds, 0.0)
        inside = (cut > 0) & (cut < self.reports)
        moments = self.times[self.by_trial[(self.first + cut - 1)[inside]]]
        spent[inside] = np.clip(
            moments - self.starts[inside], 0.0, self.seconds[inside]
        )
        return spent

    def moment(self, place: int, report: int) -> float:
        """When the n-th report of a trial arrived."""
        return float(self.times[self.by_trial[self.first[place] + report - 1]])

    def dump(self) -> bytes:
        """All arrays as bytes for `load`."""
        block = io.BytesIO()
        np.savez(
            block,
            allow_pickle=False,
            **{each.name: getattr(self, each.name) for each in fields(self)},
        )
        return block.getvalue()

    @classmethod
    def load(cls, block: bytes) -> Recording:
        """The recording that `dump` wrote."""
        with np.load(io.BytesIO(block), allow_pickle=False) as arrays:
            return cls(**{each.name: arrays[each.name] for each in fields(cls)})


def losses_of(values: NDArray[np.float64], objective: Objective) -> NDArray[np.float64]:
    """Values in the metric's own sign as losses; infinity if not finite."""
    losses = 0.0 - values if objective.maximizes else 0.0 + values
    return np.where(np.isfinite(losses), losses, np.inf)


def shuffled(recording: Recording, seed: int) -> Recording:
    """The recording with the starts of the trials shuffled.

    Each trial keeps its curve and its pace, and begins when another one did. No trial
    counts as really ended: that belongs to the recorded order.
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
    """The order, changed so that each trial's reports keep their own order.

    Reports at the same time, or from clocks that differ, could otherwise swap.
    """
    kept = np.empty_like(order)
    by_trial = np.argsort(trials[order], kind="stable")
    kept[by_trial] = np.argsort(trials, kind="stable")
    return kept


def sample(recording: Recording, reports: int) -> Recording:
    """Random trials with about this many reports together; all if there are fewer."""
    if recording.size <= reports:
        return recording
    count = max(2, round(len(recording.numbers) * reports / recording.size))
    rng = np.random.default_rng([count, recording.size])
    kept = np.sort(rng.choice(len(recording.numbers), count, replace=False))
    places = np.full(len(recording.numbers), -1, np.int32)
    places[kept] = np.arange(count, dtype=np.int32)
    inside = places[recording.trials] >= 0
    before = np.concatenate([[0], np.cumsum(inside)])
    ended_at = recording.ended_at[kept]
    return replace(
        recording,
        numbers=recording.numbers[kept],
        states=recording.states[kept],
        starts=recording.starts[kept],
        seconds=recording.seconds[kept],
        ended_at=np.where(ended_at < 0, -1, before[np.maximum(ended_at, 0)]),
        stopped_after=recording.stopped_after[kept],
        exempt=recording.exempt[kept],
        trials=places[recording.trials[inside]],
        losses=recording.losses[inside],
        times=recording.times[inside],
    )
