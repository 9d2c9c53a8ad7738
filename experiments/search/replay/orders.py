"""The same trials in another order: a result should not hang on who came first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.search.replay.recording import Recording


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
