"""A sweep on a task with simulated workers: no training, only its recorded outcome.

Workers run side by side and every report takes one unit of time, so results come in
while others are pending, as they do in a real sweep.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from experiments.search.study import Study
from tests.benchmarks.search.tasks import Floats, Task

WORKERS = 4


class Searcher(Protocol):
    """What is compared: ask for a trial, report while it runs, tell how it ended."""

    def ask(self) -> tuple[int, Mapping[str, Any]] | None: ...

    def report(self, number: int, step: int, loss: float) -> bool:
        """Whether the trial should stop now."""

    def tell(self, number: int, loss: float, *, stopped: bool) -> None: ...


class OurSearcher:
    """A study of this project."""

    def __init__(
        self,
        task: Task,
        sampler: str,
        *,
        seed: int,
        policy: Mapping[str, object] | None = None,
        budget: int | None = None,
    ) -> None:
        self.study = Study(
            search_space=task.document,
            sampling_algorithm={"type": sampler, "seed": seed},
            objective={"primary_metric": "loss", "goal": "minimize"},
            early_termination=policy,
            max_total_trials=budget,
        )

    def ask(self) -> tuple[int, Mapping[str, Any]] | None:
        trial = self.study.ask()
        return None if trial is None else (trial.number, trial.params)

    def report(self, number: int, step: int, loss: float) -> bool:
        return self.study.report(number, step=step, value=loss).stop

    def tell(self, number: int, loss: float, *, stopped: bool) -> None:
        state = "terminated" if stopped else "completed"
        self.study.tell(number, value=loss, state=state)


@dataclass
class Run:
    """One trial as it goes on."""

    number: int
    losses: Floats
    final: float
    reports: int = 0
    stopped: bool = False


@dataclass
class Record:
    """What a simulated sweep came to.

    `regrets` holds, after every ended trial, the true regret of the configuration with
    the best logged loss, and `spent` the reports made by then.
    """

    regrets: list[float] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def regret_after(self, reports: int) -> float:
        """The regret once this many reports were spent; 1 before any trial ended."""
        within = [
            r for r, n in zip(self.regrets, self.spent, strict=True) if n <= reports
        ]
        return within[-1] if within else 1.0

    @property
    def share(self) -> float:
        """Reports made, as a share of those of full runs."""
        return sum(run.reports for run in self.runs) / sum(
            len(run.losses) for run in self.runs
        )

    @property
    def best_stopped(self) -> bool:
        """Whether the trial that would have ended best was stopped."""
        return min(self.runs, key=lambda run: float(run.losses[-1])).stopped


def simulate(task: Task, searcher: Searcher, *, seed: int, trials: int) -> Record:
    """Run this many trials, or as many as the searcher has."""
    rng, record = np.random.default_rng([7, seed]), Record()
    queue: list[tuple[int, int, Run]] = []
    order, spent, best = itertools.count(), 0, (math.inf, 1.0)

    def start(time: int) -> None:
        asked = searcher.ask() if len(record.runs) < trials else None
        if asked is not None:
            number, params = asked
            run = Run(number, task.curve(params, rng), task.final(params))
            record.runs.append(run)
            heapq.heappush(queue, (time + 1, next(order), run))

    for _ in range(WORKERS):
        start(0)
    while queue:
        time, _, run = heapq.heappop(queue)
        loss = float(run.losses[run.reports])
        run.reports, spent = run.reports + 1, spent + 1
        last = run.reports == len(run.losses)
        stop = len(run.losses) > 1 and searcher.report(run.number, run.reports, loss)
        if not (stop or last):
            heapq.heappush(queue, (time + 1, next(order), run))
            continue
        run.stopped = stop and not last
        searcher.tell(run.number, loss, stopped=run.stopped)
        best = min(best, (loss, task.regret(run.final)))
        record.regrets.append(best[1])
        record.spent.append(spent)
        start(time)
    return record
