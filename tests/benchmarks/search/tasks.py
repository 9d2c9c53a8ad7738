"""Tasks to search on: real training runs from a table, and functions in closed form.

Every task is minimized. Its regret is 0 at the best configuration there is and 1 at the
median of random configurations. Functions stand for what tables of this size cannot
hold: continuous ranges, conditions, many categories.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.search.space.space import SearchSpace
from tests.benchmarks.search.digits import DATA

Floats = NDArray[np.float64]
TYPICAL_DRAWS = 2001
OPERATIONS = ("none", "skip", "pool", "narrow", "wide")
PLACES = ("a", "b", "c", "d", "e", "f")


class Task(ABC):
    """A space with a loss for every configuration in it."""

    name: ClassVar[str]
    reports: ClassVar[int] = 1
    noise: ClassVar[float] = 0.0  # standard deviation of a report, typical regret = 1
    document: Mapping[str, Any]
    best = 0.0

    @abstractmethod
    def final(self, params: Mapping[str, Any]) -> float:
        """The true loss at the end of training."""

    def curve(self, params: Mapping[str, Any], rng: np.random.Generator) -> Floats:
        """What one run reports, with its noise."""
        return self._course(params) + self._noise(rng)

    def regret(self, loss: float) -> float:
        return max(0.0, (loss - self.best) / (self.typical - self.best))

    @cached_property
    def typical(self) -> float:
        """The median loss of random configurations."""
        space, rng = SearchSpace.parse(self.document), np.random.default_rng(1)
        finals = [self.final(space.sample(rng)) for _ in range(TYPICAL_DRAWS)]
        return float(np.median(finals))

    def _course(self, params: Mapping[str, Any]) -> Floats:
        return np.array([self.final(params)])

    def _noise(self, rng: np.random.Generator) -> Floats:
        scale = self.noise * (self.typical - self.best) if self.noise else 0.0
        return scale * rng.standard_normal(self.reports)


class Digits(Task):
    """The demo's network on handwritten digits: log loss after the last epoch. The
    table's repetitions are the noise, and their mean the truth."""

    name = "digits"

    def __init__(self) -> None:
        with np.load(DATA) as data:
            self.grid: dict[str, list[Any]] = json.loads(str(data["grid"]))
            losses = np.nan_to_num(data["losses"].astype(float), nan=20.0)
        self.losses = np.log(np.clip(losses, 1e-4, 20.0))
        self.finals = self.losses[:, :, -1].mean(axis=1)
        self.best = float(self.finals.min())
        self.document = {
            name: {"type": "choice", "values": values}
            for name, values in self.grid.items()
        }

    @cached_property
    def typical(self) -> float:
        return float(np.median(self.finals))

    def final(self, params: Mapping[str, Any]) -> float:
        return float(self.finals[self._row(params)])

    def curve(self, params: Mapping[str, Any], rng: np.random.Generator) -> Floats:
        runs = self.losses[self._row(params)]
        run: Floats = runs[rng.integers(len(runs))]
        return run if self.reports > 1 else run[-1:]

    def _row(self, params: Mapping[str, Any]) -> int:
        places = [self.grid[name].index(params[name]) for name in self.grid]
        return int(np.ravel_multi_index(places, [len(v) for v in self.grid.values()]))


class DigitsCurves(Digits):
    """The same with the loss of every epoch."""

    name = "digits curves"
    reports = 20


class Valley(Task):
    """Six numbers on ranges of several kinds. The best point lies in a corner of two
    of them, and the rest is a bent valley."""

    name = "valley"
    document: Mapping[str, Any] = {
        "learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
        "weight_decay": {"type": "float", "low": 1e-5, "high": 0.1},
        "momentum": {"type": "uniform", "min_value": 0.0, "max_value": 0.99},
        "units": {"type": "int", "low": 16, "high": 1024, "log": True},
        "layers": {"type": "int", "low": 1, "high": 6},
        "dropout": {"type": "quniform", "min_value": 0.0, "max_value": 0.8, "q": 0.1},
    }

    def final(self, params: Mapping[str, Any]) -> float:
        rate = math.log10(params["learning_rate"]) + 2
        decay = math.log10(params["weight_decay"]) + 3.5
        momentum = params["momentum"] - 0.9
        bend = rate + 2 * momentum  # a rate that is too high is mended by momentum
        units = math.log2(1024 / params["units"])
        deep = 6 - params["layers"]
        return (
            0.6 * bend**2
            + 0.1 * rate**2
            + 0.15 * decay**2
            + 1.5 * momentum**2
            + 0.05 * units
            + 0.03 * deep
            + 0.3 * params["dropout"] ** 2
        )


class NoisyValley(Valley):
    """The same, where a run's result differs by 0.3 of the way to a typical one."""

    name = "noisy valley"
    noise = 0.3


class Cells(Task):
    """Six places with one of five operations each, which work together in pairs."""

    name = "cells"
    document: Mapping[str, Any] = {
        place: {"type": "choice", "values": list(OPERATIONS)} for place in PLACES
    }

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        shared = np.array([1.0, 0.4, 0.6, 0.2, 0.0])
        self.alone = shared + 0.25 * rng.standard_normal((6, 5))
        self.pairs = 0.2 * rng.standard_normal((6, 6, 5, 5))
        rows = np.indices((5,) * 6).reshape(6, -1).T
        finals = np.array([self._loss(row) for row in rows])
        self.best, self.middle = float(finals.min()), float(np.median(finals))

    @cached_property
    def typical(self) -> float:
        return self.middle

    def final(self, params: Mapping[str, Any]) -> float:
        places = [OPERATIONS.index(params[place]) for place in PLACES]
        return self._loss(np.array(places))

    def _loss(self, row: NDArray[np.int64]) -> float:
        index = np.arange(6)
        pairs = self.pairs[index[:, None], index[None, :], row[:, None], row[None, :]]
        return float(self.alone[index, row].sum() + np.triu(pairs, 1).sum())


class Branches(Task):
    """Two ways of training with parameters of their own; the better one is rarer."""

    name = "branches"
    document: Mapping[str, Any] = {
        "booster": {"type": "choice", "values": ["linear", "trees", "dart"]},
        "rounds": {"type": "int", "low": 3, "high": 2000, "log": True},
        "alpha": {"type": "float", "low": 1e-4, "high": 100.0, "log": True},
        "depth": {
            "type": "int",
            "low": 1,
            "high": 15,
            "when": {"booster": ["trees", "dart"]},
        },
        "eta": {
            "type": "float",
            "low": 1e-4,
            "high": 1.0,
            "log": True,
            "when": {"booster": ["trees", "dart"]},
        },
        "drop": {
            "type": "uniform",
            "min_value": 0.0,
            "max_value": 1.0,
            "when": {"booster": "dart"},
        },
    }

    def final(self, params: Mapping[str, Any]) -> float:
        rounds = math.log10(params["rounds"])
        alpha = 0.1 * abs(math.log10(params["alpha"]) + 1)
        if params["booster"] == "linear":
            return 1.0 + alpha + 0.2 * (3 - rounds) ** 2
        work = rounds + math.log10(params["eta"]) - 1.5
        deep = 0.01 * (params["depth"] - 7) ** 2
        drop = params["drop"] if params["booster"] == "dart" else 0.4
        return alpha + 0.5 * work**2 + deep + (drop - 0.15) ** 2


class GainModel(Valley):
    """The valley with learning curves: power laws, some of which take off late."""

    name = "courses"
    reports = 30
    noise = 0.01

    def _course(self, params: Mapping[str, Any]) -> Floats:
        final = self.final(params)
        small = math.log10(params["learning_rate"]) < -3
        late = 6.0 * params["momentum"] if small else 0.0
        epochs = np.arange(1, self.reports + 1)
        done = np.clip((epochs - late) / (self.reports - late), 1 / self.reports, 1)
        start = 2.0 * (self.typical - self.best) + final
        course: Floats = final + (start - final) * (done**-0.5 - 1) / 4.5
        return course


TASKS: Mapping[str, type[Task]] = {
    task.name: task
    for task in (Digits, Valley, NoisyValley, Cells, Branches, DigitsCurves, GainModel)
}
