"""Compare samplers on the tasks of this folder, many seeds each.

    python -m tests.benchmarks.search.table --seeds 20
    python -m tests.benchmarks.search.table --samplers random auto optuna-tpe

prints the mean regret after 25, 50 and 100 trials with four simulated workers (0 is the
best configuration there is, 1 a typical random one), how many fewer trials than random
search a sampler needs for what that has after 100, and intervals over the seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.search.simulation import OurSearcher, Searcher, simulate
from tests.benchmarks.search.tasks import TASKS, Task

MARKS = (25, 50, 100)
SAMPLERS = ("random", "sobol", "tpe", "cmaes", "bayesian", "auto")
RESAMPLES = 2000
Floats = NDArray[np.float64]


def searcher(task: Task, sampler: str, *, seed: int, trials: int) -> Searcher:
    if sampler.startswith("optuna-"):
        # Not one of the tests' requirements, so it is loaded only when it is named.
        from tests.benchmarks.search.peers import OptunaSearcher

        return OptunaSearcher(task, sampler, seed=seed)
    return OurSearcher(task, sampler, seed=seed, budget=trials)


def regrets(name: str, sampler: str, seed: int, trials: int) -> list[float]:
    """The regret after each trial of one simulated sweep."""
    task = TASKS[name]()
    asked = searcher(task, sampler, seed=seed, trials=trials)
    found = simulate(task, asked, seed=seed, trials=trials).regrets
    return found + found[-1:] * (trials - len(found))


def measured(
    names: Sequence[str],
    samplers: Sequence[str],
    *,
    seeds: int,
    trials: int,
    processes: int,
) -> dict[str, Floats]:
    """For each sampler the regrets as an array (tasks, seeds, trials)."""
    runs = [(n, s, seed) for s in samplers for n in names for seed in range(seeds)]
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(regrets, *zip(*runs, strict=True), [trials] * len(runs)))
    shaped = np.array(found).reshape(len(samplers), len(names), seeds, trials)
    return dict(zip(samplers, shaped, strict=True))


def interval(differences: Floats) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean over tasks, with the seeds drawn anew."""
    rng = np.random.default_rng(0)
    tasks, seeds = differences.shape
    drawn = rng.integers(0, seeds, (RESAMPLES, tasks, seeds))
    means = np.take_along_axis(differences[None], drawn, axis=2).mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def speed_up(curves: Floats, random: Floats) -> float:
    """How many times fewer trials reach what random search has in the end.

    By task the median over seeds, then the geometric mean; what is not reached within
    the trials counts as reached with the last one.
    """
    trials = curves.shape[-1]
    goals = np.median(random[:, :, -1], axis=1)
    reached = curves <= goals[:, None, None]
    first = np.where(reached.any(axis=2), reached.argmax(axis=2) + 1, trials)
    return float(np.exp(np.log(trials / np.median(first, axis=1)).mean()))


def lines(names: Sequence[str], found: dict[str, Floats]) -> list[str]:
    """A Markdown table: a row for each task, one for the mean, one for the speed."""
    marks = [mark for mark in MARKS if mark <= next(iter(found.values())).shape[-1]]
    at = "/".join(f"@{mark}" for mark in marks)
    rows = [
        f"| regret {at} | " + " | ".join(found) + " |",
        "|---" * (len(found) + 1) + "|",
    ]
    for place, name in enumerate(names):
        cells = [means(curves[place : place + 1], marks) for curves in found.values()]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    cells = [means(curves, marks) for curves in found.values()]
    rows.append("| **mean** | " + " | ".join(cells) + " |")
    if "random" in found:
        rows += against_random(found, marks[-1])
    return rows


def means(curves: Floats, marks: Sequence[int]) -> str:
    return "/".join(f"{curves[:, :, mark - 1].mean():.3f}" for mark in marks)


def against_random(found: dict[str, Floats], mark: int) -> list[str]:
    random = found["random"]
    gains, speeds = [], []
    for curves in found.values():
        low, high = interval((curves - random)[:, :, mark - 1])
        gains.append(f"{low:+.3f} to {high:+.3f}")
        speeds.append(f"{speed_up(curves, random):.1f}x")
    return [
        f"| less random @{mark}, 95 % | " + " | ".join(gains) + " |",
        "| fewer trials than random | " + " | ".join(speeds) + " |",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    found = measured(
        given.tasks,
        given.samplers,
        seeds=given.seeds,
        trials=given.trials,
        processes=given.processes,
    )
    sys.stdout.write("\n".join(lines(given.tasks, found)) + "\n")


if __name__ == "__main__":
    main()
