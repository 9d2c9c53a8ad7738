"""Which of the trials is likely the best, where each was measured with noise."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.search.gp.encoding import Encoding
from experiments.search.gp.model import Fitting, GaussianProcess
from experiments.search.gp.outcomes import Outcomes, outcomes_of
from experiments.search.gp.tried import Tried
from experiments.search.history import COMPLETED, History

# The share of a single result's distance from the model's expectation that counts as
# real. The mean of several counts as it is.
REAL = 0.5
# With fewer results there is no model.
MIN_RESULTS = 4
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Likely:
    """A configuration, and the `numbers` of the trials that ran it.

    `loss` is the expected one, by the model; `best_loss` and `mean_loss` are those of
    its trials.
    """

    numbers: tuple[int, ...]
    loss: float
    best_loss: float
    mean_loss: float

    @property
    def repeats(self) -> int:
        return len(self.numbers)

    @property
    def are_identical(self) -> bool:
        """Whether its repeats have the same value to the last bit. A script that draws
        the same random numbers each time shows nothing of the noise."""
        return self.repeats > 1 and self.best_loss == self.mean_loss


def likely_best(history: History, count: int = 5) -> list[Likely]:
    """The configurations with the lowest expected loss, the lowest first.

    The lowest of many noisy results is often a lucky one. Each single result is
    therefore shrunk towards what a Gaussian process over all results expects of its
    configuration (as in small area estimation: Fay and Herriot, 1979). Repeats speak
    for themselves: their mean counts. Only completed trials are ranked, or without
    any, those that were cut short.
    """
    outcomes = outcomes_of(history)
    rows = _ranked_rows(history, outcomes)
    if not len(rows):
        return []
    expected = _expected(history, outcomes, rows)
    found = [
        _shrunk(history, group, expected[group[0]])
        for group in _repeats(history, rows).values()
    ]
    return sorted(found, key=lambda one: (one.loss, one.numbers))[:count]


def _ranked_rows(history: History, outcomes: Outcomes) -> NDArray[np.int64]:
    valued = outcomes.rows[np.isfinite(history.losses[outcomes.rows])]
    completed = valued[history.states[valued] == COMPLETED]
    return completed if len(completed) else valued


def _expected(
    history: History, outcomes: Outcomes, rows: NDArray[np.int64]
) -> dict[int, float]:
    """The model's expectation by row; without a model the loss itself."""
    losses = history.losses[rows]
    if outcomes.finite >= MIN_RESULTS:
        rng = np.random.default_rng(0)
        fitting = Fitting(Encoding(history.space))
        model = GaussianProcess.of(fitting, history, outcomes, rng, likeliest=True)
        expected = model.expected(history.points[rows], history.active[rows])
        losses = outcomes.losses(expected)
    return dict(zip(rows.tolist(), losses.tolist(), strict=True))


def _repeats(history: History, rows: NDArray[np.int64]) -> dict[bytes, list[int]]:
    """The rows by configuration."""
    tried = Tried(Encoding(history.space).cube, history)
    groups: dict[bytes, list[int]] = defaultdict(list)
    marks = tried.marks_of(history.points[rows], history.active[rows])
    for mark, row in zip(marks, rows.tolist(), strict=True):
        groups[mark].append(row)
    return groups


def _shrunk(history: History, rows: list[int], expected: float) -> Likely:
    losses = history.losses[rows]
    scale = float(np.max(np.abs(losses))) or 1.0
    mean = float(np.mean(losses / scale)) * scale
    if losses.min() == losses.max():
        mean = float(losses[0])
    weight = REAL if len(rows) == 1 else 1.0
    return Likely(
        numbers=tuple(int(number) for number in history.numbers[rows]),
        loss=weight * mean + (1 - weight) * expected,
        best_loss=float(losses.min()),
        mean_loss=mean,
    )
