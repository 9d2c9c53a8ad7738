"""Another program's samplers on the same tasks: `pip install optuna` to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from experiments.search.space.conditions import When
from experiments.search.space.distribution import Distribution
from experiments.search.space.space import SearchSpace
from tests.benchmarks.search.tasks import Task

optuna.logging.set_verbosity(optuna.logging.ERROR)


class OptunaSearcher:
    """Optuna's sampler of a name, asked and told in the way of its manual."""

    def __init__(self, task: Task, sampler: str, *, seed: int) -> None:
        self.space = SearchSpace.parse(task.document)
        kinds = {
            "optuna-tpe": lambda: optuna.samplers.TPESampler(
                seed=seed, multivariate=True, group=bool(self.space.conditions)
            ),
            "optuna-cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed),
            "optuna-random": lambda: optuna.samplers.RandomSampler(seed=seed),
        }
        self.study = optuna.create_study(sampler=kinds[sampler]())
        self.trials: dict[int, optuna.Trial] = {}

    def ask(self) -> tuple[int, Mapping[str, Any]] | None:
        trial = self.study.ask()
        self.trials[trial.number] = trial
        values: dict[str, Any] = {}
        for name, law in self.space.parameters.items():
            if met(self.space.conditions.get(name), values):
                values[name] = suggested(trial, name, law)
        return trial.number, values

    def report(self, number: int, step: int, loss: float) -> bool:
        self.trials[number].report(loss, step)
        return False

    def tell(self, number: int, loss: float, *, stopped: bool) -> None:
        self.study.tell(self.trials[number], loss)


def met(condition: When | None, values: Mapping[str, Any]) -> bool:
    """Whether the parameter counts; the tasks' conditions name earlier choices."""
    return condition is None or all(
        values.get(name) in allowed for name, allowed in condition.items()
    )


def suggested(trial: optuna.Trial, name: str, law: Distribution) -> Any:
    """The peer's choice from the same range."""
    document: dict[str, Any] = law.dump()
    kind = document["type"]
    if kind == "choice":
        return trial.suggest_categorical(name, document["values"])
    low = document.get("low", document.get("min_value"))
    high = document.get("high", document.get("max_value"))
    log = bool(document.get("log"))
    if kind == "int":
        return trial.suggest_int(name, low, high, log=log)
    return trial.suggest_float(name, low, high, log=log, step=document.get("q"))
