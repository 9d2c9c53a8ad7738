"""The parameters, ends and curves of synthetic trials. Pure numpy.

The learning rate matters most, and the best one depends on the batch size; label
smoothing and further parameters do not matter at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.models.trials import TrialState
from experiments.search.space.space import SearchSpace

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Params = dict[str, Any]

METRIC, SECOND_METRIC = "accuracy", "loss"
# In the exponents of LOG_BASE, as documents give log types.
LOG_BASE = 10
PARAMETERS: dict[str, dict[str, Any]] = {
    "learning_rate": {"type": "loguniform", "min_value": -5, "max_value": -1},
    "batch_size": {"type": "choice", "values": [16, 32, 64, 128, 256]},
    "optimizer": {"type": "choice", "values": ["adam", "adamw", "sgd"]},
    "dropout": {"type": "uniform", "min_value": 0.0, "max_value": 0.6},
    "layers": {"type": "quniform", "min_value": 1, "max_value": 8, "q": 1},
    "momentum": {
        "type": "uniform",
        "min_value": 0.5,
        "max_value": 0.99,
        "when": {"optimizer": ["sgd"]},
    },
    "weight_decay": {"type": "loguniform", "min_value": -6, "max_value": -2},
    "label_smoothing": {"type": "uniform", "min_value": 0.0, "max_value": 0.2},
}
UNIMPORTANT = {"type": "uniform", "min_value": 0.0, "max_value": 1.0}
# One configuration in REPEATED runs again, REPEATS times.
REPEATED, REPEATS = 20, 2
CANCELLED_SHARE, FAILED_SHARE = 0.01, 0.03
# Of trials whose level is low, by a policy.
ENDED_EARLY_SHARE, LOW = 0.8, 0.4
MAX_LEVEL, BEGIN = 0.97, 0.1


def search_space(parameters: int) -> dict[str, dict[str, Any]]:
    """The first of PARAMETERS, then ones without influence."""
    known = dict(list(PARAMETERS.items())[:parameters])
    more = range(len(PARAMETERS) + 1, parameters + 1)
    return {**known, **{f"x{n}": UNIMPORTANT for n in more}}


@dataclass(frozen=True)
class SyntheticTrials:
    """Columns, by the trials' numbers; times are seconds since the first start.

    ``sources`` has the number that a trial repeats, or -1; ``level`` is the accuracy
    that its curve approaches at the given speed.
    """

    params: Sequence[Params]
    sources: Whole
    level: Floats
    speed: Floats
    states: NDArray[np.str_]
    reports: Whole
    slots: Whole
    starts: Floats
    seconds: Floats

    @property
    def ends(self) -> Floats:
        return self.starts + self.seconds


def make_trials(
    space: SearchSpace, count: int, *, points: int, slots: int, seed: int
) -> SyntheticTrials:
    random = np.random.default_rng(seed)
    sources = _sources(count)
    params: list[Params] = []
    for number, source in enumerate(sources):
        draw = np.random.default_rng([seed, number])
        params.append(space.sample(draw) if source < 0 else params[source])
    level = MAX_LEVEL * np.exp(-1.5 * _penalty(params)) + random.normal(0, 0.008, count)
    level = np.clip(level, BEGIN, 0.999)
    states = _states(random, level)
    reports = np.full(count, points)
    cut = states != TrialState.COMPLETED
    reports[cut] = np.ceil(points * random.uniform(0.1, 0.6, int(cut.sum())))
    pace = random.uniform(0.8, 1.2, count) * (
        1 + 64 / _column(params, "batch_size", 64) + _column(params, "layers", 4) / 4
    )
    seconds = 5 + pace * reports
    starts, taken = _schedule(seconds, slots)
    speed = random.uniform(4, 12, count) / points
    return SyntheticTrials(
        params, sources, level, speed, states, reports, taken, starts, seconds
    )


def curves(
    trials: SyntheticTrials, part: slice, points: int, *, seed: int
) -> dict[str, Floats]:
    """Each metric's values at all reports, a row for each trial."""
    random = np.random.default_rng([seed, part.start])
    n = np.arange(1, points + 1)
    rise = 1 - np.exp(-trials.speed[part, None] * n)
    shape = rise.shape
    accuracy = BEGIN + (trials.level[part, None] - BEGIN) * rise
    accuracy += random.normal(0, 0.004, shape)
    accuracy = np.clip(accuracy, 0.0, 1.0)
    loss = -np.log(np.clip(accuracy, 0.01, 1)) + np.abs(random.normal(0, 0.02, shape))
    return {METRIC: accuracy, SECOND_METRIC: loss}


def _sources(count: int) -> Whole:
    """Each repeat follows some trials after its source."""
    sources = np.full(count, -1)
    for source in range(0, count, REPEATED):
        repeats = source + REPEATED // 2 + np.arange(REPEATS)
        sources[repeats[repeats < count]] = source
    return sources


def _column(params: Sequence[Params], name: str, default: float) -> Floats:
    return np.array([each.get(name, default) for each in params], float)


def _penalty(params: Sequence[Params]) -> Floats:
    """0 for the best configuration."""
    rate = (np.log10(_column(params, "learning_rate", 0.003)) + 5) / 4
    batch = np.log2(_column(params, "batch_size", 64) / 16) / 4
    dropout = _column(params, "dropout", 0.2) / 0.6
    layers = (_column(params, "layers", 4) - 5) / 7
    momentum = _column(params, "momentum", 0.9)
    decay = (np.log10(_column(params, "weight_decay", 1e-4)) + 6) / 4
    plain = np.array([each.get("optimizer") == "sgd" for each in params], float)
    found: Floats = (
        2.0 * (rate - 0.45 - 0.3 * batch) ** 2
        + 0.3 * (dropout - 0.35) ** 2
        + 0.2 * layers**2
        + plain * (0.03 + (momentum - 0.9) ** 2)
        + 0.05 * (decay - 0.5) ** 2
    )
    return found


def _states(random: np.random.Generator, level: Floats) -> NDArray[np.str_]:
    chance = random.uniform(size=len(level))
    states = np.full(len(level), str(TrialState.COMPLETED), "U10")
    low = level < np.quantile(level, LOW)
    states[low & (chance < ENDED_EARLY_SHARE)] = TrialState.TERMINATED
    states[chance > 1 - FAILED_SHARE] = TrialState.FAILED
    states[chance < CANCELLED_SHARE] = TrialState.CANCELLED
    return states


def _schedule(seconds: Floats, slots: int) -> tuple[Floats, Whole]:
    """When each trial starts, and in which slot: always in the first free one."""
    free = [(0.0, slot) for slot in range(slots)]
    starts, taken = np.empty(len(seconds)), np.empty(len(seconds), int)
    for number, duration in enumerate(seconds):
        starts[number], taken[number] = free[0]
        heapq.heapreplace(free, (float(starts[number] + duration), int(taken[number])))
    return starts, taken
