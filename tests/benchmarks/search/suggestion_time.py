"""How long one suggestion takes, its reading from the database included.

    python -m tests.benchmarks.search.suggestion_time --trials 1000 5000
    python -m tests.benchmarks.search.suggestion_time --samplers tpe --rounds 200

fills a throw-away SQLite database with a sweep of this many finished trials and four
that run. In each round one of the four reports and ends, `dispatch.suggest` chooses the
next trial, and that begins. Only `suggest` is timed: first in a process that knows
nothing of the sweep yet, then the median, the 95th percentile and the longest of the
rounds; then the 95th percentiles of the processor's time, which other work on the
machine disturbs less, and of bringing the history up to date, a part of each.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from experiments.models import Sweep, Trial

SAMPLERS = ("random", "sobol", "bayesian", "tpe", "cmaes", "auto")
PENDING = 4
SPACE: Mapping[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
    "weight_decay": {"type": "float", "low": 1e-6, "high": 0.01, "log": True},
    "dropout": {"type": "uniform", "min_value": 0, "max_value": 0.6},
    "layers": {"type": "int", "low": 1, "high": 6},
    "width": {"type": "int", "low": 16, "high": 512, "log": True},
    "activation": {"type": "choice", "values": ["relu", "gelu", "tanh"]},
    "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
    "momentum": {
        "type": "uniform",
        "min_value": 0.5,
        "max_value": 0.99,
        "when": {"optimizer": ["sgd"]},
    },
}


@dataclass
class Times:
    """Seconds of each suggestion, of the processor in it, and of reading."""

    first: float = 0.0
    whole: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    reading: list[float] = field(default_factory=list)

    def line(self) -> str:
        milliseconds = 1000 * np.array(self.whole)
        middle, high = np.percentile(milliseconds, [50, 95])
        busy, read = (
            1000 * float(np.percentile(times, 95))
            for times in (self.processor, self.reading)
        )
        return (
            f"{1000 * self.first:8.0f} {middle:8.1f} {high:8.1f}"
            f" {milliseconds.max():8.1f} {busy:8.1f} {read:8.1f}"
        )


def loss(params: Mapping[str, Any], rng: np.random.Generator) -> float:
    """Something to learn, with noise."""
    rate = np.log10(params["learning_rate"] / 3e-3)
    depth = (params["layers"] - 3) / 3
    kind = {"relu": 0.0, "gelu": -0.05, "tanh": 0.2}[params["activation"]]
    return float(0.2 * rate**2 + depth**2 + kind + rng.normal(0, 0.02))


def database() -> None:
    """An empty one with all tables, in a folder that goes with this process."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["DATABASE_URL"] = ""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def filled_sweep(sampler: str, trials: int, rng: np.random.Generator) -> Sweep:
    """A running sweep with this many completed trials, and four that run."""
    from django.utils import timezone

    from experiments.models import Trial
    from experiments.search.space.space import SearchSpace
    from tests import factories

    document = factories.definition_document(
        trial={"command": "python train.py"},
        search_space=dict(SPACE),
        sampling_algorithm={"type": sampler, "seed": 1},
        objective={"primary_metric": "loss", "goal": "minimize"},
        limits={"max_total_trials": 2 * trials, "max_concurrent_trials": PENDING},
    )
    made = factories.sweep(factories.team(), document=document)
    space = SearchSpace.parse(SPACE)
    rows = []
    for number in range(trials + PENDING):
        params = space.sample(rng)
        ended = number < trials
        rows.append(
            Trial(
                experiment=made.experiment,
                sweep=made,
                number=number,
                params=params,
                origin="random",
                state="completed" if ended else "running",
                value=loss(params, rng),
                reports=10 if ended else 3,
                updated_at=timezone.now() - timedelta(hours=1),
            )
        )
    Trial.objects.bulk_create(rows, batch_size=500)
    return made


def measured(sampler: str, trials: int, rounds: int) -> Times:
    from experiments.tracking import history

    rng = np.random.default_rng(1)
    made = filled_sweep(sampler, trials, rng)
    history.forget_all()
    times = Times()
    times.first, *_ = one_round(made, rng)
    for _ in range(rounds):
        whole, processor, reading = one_round(made, rng)
        times.whole.append(whole)
        times.processor.append(processor)
        times.reading.append(reading)
    return times


def one_round(made: Sweep, rng: np.random.Generator) -> tuple[float, float, float]:
    """Seconds that a suggestion took, those of the processor in it, and those that a
    reading takes right after it."""
    from experiments.models import Trial
    from experiments.scheduling import dispatch
    from experiments.tracking import history

    _end_one(made, rng)
    number = made.trials.count()
    busy, started = time.process_time(), time.perf_counter()
    suggestion = dispatch.suggest(made, number)
    busy, suggested = time.process_time() - busy, time.perf_counter()
    with history.search_of(made):
        read = time.perf_counter()
    if suggestion is None:
        raise RuntimeError("the space has no end, but the sampler found one")
    Trial.objects.create(
        experiment=made.experiment,
        sweep=made,
        number=number,
        params=dict(suggestion.params),
        origin=suggestion.origin,
        state="running",
    )
    return suggested - started, busy, read - suggested


def _end_one(made: Sweep, rng: np.random.Generator) -> None:
    """The oldest of the four ends, with a report."""
    from django.db.models.functions import Now

    from experiments.models import Trial

    live: Trial = made.trials.live().order_by("number")[0]
    Trial.objects.filter(pk=live.pk).update(
        state="completed",
        value=loss(live.params, rng),
        reports=10,
        updated_at=Now(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SWEEPSITE_HOME"] = home
        database()
        print(
            "milliseconds           first   median      95%  longest  cpu 95% read 95%"
        )
        for sampler in options.samplers:
            for trials in options.trials:
                line = measured(sampler, trials, options.rounds).line()
                print(f"{sampler:10} {trials:>8,} {line}", flush=True)


if __name__ == "__main__":
    main()
