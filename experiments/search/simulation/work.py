"""Many replays, with word of how far they have come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from experiments.search.simulation.figures import Evaluation, Figures
from experiments.search.simulation.judging import OnReports, simulate
from experiments.search.simulation.recording import Recording, shuffled
from experiments.search.termination import Policy

# Told the share of all the work that is done, from 0 to 1; may raise to end it.
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Average:
    """Figures of one policy, averaged over several orders of the trials.

    `saved` is a share; `places` is how many ranks the best that was reached lies
    behind the best of all, `regret` the same in the metric's unit, and `lost` the share
    of the orders in which the best trial was ended. Without a finite loss they are 0.
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

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]


def simulations(
    recording: Recording, policies: Sequence[Policy], progress: Progress
) -> Iterator[NDArray[np.int64]]:
    """Each policy's ends, as `replay` gives them, in the order that was recorded."""
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
    """Each policy's figures, averaged over so many shuffled orders of the trials."""
    evaluation = Evaluation(recording)
    shuffles = [shuffled(recording, seed) for seed in range(orders)]
    work = _WorkProgress(progress, recording.size, orders * len(policies))
    for policy in policies:
        ends = [simulate(order, policy, on_reports=work.next()) for order in shuffles]
        yield Average.of([evaluation.figures(ended) for ended in ends])


class _WorkProgress:
    """Turns the reports of one replay after another into the share of all of them."""

    def __init__(self, progress: Progress, size: int, simulations: int) -> None:
        self._progress = progress
        self._size = size
        self._whole = max(1, size * simulations)
        self._before = -size

    def next(self) -> OnReports:
        """The callback of the next simulation."""
        self._before += self._size
        return self._tell

    def _tell(self, reports: int) -> None:
        self._progress((self._before + reports) / self._whole)


def sample(recording: Recording, reports: int) -> Recording:
    """Trials drawn at random, about so many reports together; all if they are fewer."""
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
