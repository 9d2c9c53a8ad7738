"""Compare early termination policies on the tasks with learning curves.

    python -m tests.benchmarks.search.policies --seeds 20
    python -m tests.benchmarks.search.policies --joint

prints for 100 trials of random search what share of all reports a policy spends, how
much worse the final regret is than without a policy, and how often the trial that would
have ended best is stopped. With --joint it prints the regret that pairs of a sampler
and a policy reach with the reports of 25 full trials. In brackets stand 95 % bootstrap
intervals, for which the seeds are drawn anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from tests.benchmarks.search.simulation import OurSearcher, Record, simulate
from tests.benchmarks.search.table import interval
from tests.benchmarks.search.tasks import TASKS, Floats

CURVES = tuple(name for name, task in TASKS.items() if task.reports > 1)
POLICIES: Mapping[str, Mapping[str, object] | None] = {
    "none": None,
    "median": {"type": "median_stopping", "delay_evaluation": 5},
    "bandit 0.1": {"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 5},
    "asha": {"type": "asha", "reduction_factor": 3, "min_resource": 3},
    "predictive": {"type": "predictive"},
}
PAIRED = {**POLICIES, "predictive halving": {"type": "predictive_halving"}}
PAIRS = (
    ("random", "none"),
    ("random", "asha"),
    ("random", "predictive"),
    ("random", "predictive halving"),
    ("tpe", "none"),
    ("tpe", "median"),
    ("bayesian", "none"),
    ("bayesian", "predictive"),
    ("bayesian", "predictive halving"),
    ("auto", "predictive halving"),
)
# With a policy many more trials fit into the reports of the full ones.
MAX_TRIALS = 400
FULL_TRIALS = 25


def record(name: str, sampler: str, policy: str, seed: int, trials: int) -> Record:
    task = TASKS[name]()
    searcher = OurSearcher(
        task, sampler, seed=seed, policy=PAIRED[policy], budget=trials
    )
    return simulate(task, searcher, seed=seed, trials=trials)


def policy_figures(name: str, policy: str, seed: int) -> tuple[float, float, float]:
    """Share of the reports spent, final regret, and whether the best was stopped."""
    found = record(name, "random", policy, seed, 100)
    return found.share, found.regrets[-1], float(found.best_stopped)


def joint_figure(name: str, pair: tuple[str, str], seed: int) -> float:
    sampler, policy = pair
    trials = FULL_TRIALS if policy == "none" else MAX_TRIALS
    budget = FULL_TRIALS * TASKS[name].reports
    return record(name, sampler, policy, seed, trials).regret_after(budget)


def policy_lines(seeds: int, pool: ProcessPoolExecutor) -> list[str]:
    runs = [(n, p, s) for p in POLICIES for n in CURVES for s in range(seeds)]
    found = np.array(list(pool.map(policy_figures, *zip(*runs, strict=True))))
    figures = dict(
        zip(POLICIES, found.reshape(len(POLICIES), len(CURVES), seeds, 3), strict=True)
    )
    rows = [
        "| policy | reports | loss of regret | best stopped |",
        "|---|---|---|---|",
    ]
    for policy, values in figures.items():
        reports, regrets, stopped = np.moveaxis(values, 2, 0)
        cells = (
            with_interval(reports, ".1%"),
            with_interval(regrets - figures["none"][:, :, 1], "+.4f"),
            with_interval(stopped, ".1%"),
        )
        rows.append(f"| {policy} | {' | '.join(cells)} |")
    return rows


def with_interval(figures: Floats, form: str) -> str:
    """The mean of figures by task and seed, and its interval."""
    low, high = interval(figures)
    return f"{figures.mean():{form}} [{low:{form}}, {high:{form}}]"


def joint_lines(seeds: int, pool: ProcessPoolExecutor) -> list[str]:
    runs = [(n, pair, s) for pair in PAIRS for n in CURVES for s in range(seeds)]
    found = np.array(list(pool.map(joint_figure, *zip(*runs, strict=True))))
    regrets = found.reshape(len(PAIRS), len(CURVES), seeds)
    rows = [
        f"| regret at {FULL_TRIALS} full trials | " + " | ".join(CURVES) + " | mean |",
        "|---" * (len(CURVES) + 2) + "|",
    ]
    for (sampler, policy), row in zip(PAIRS, regrets, strict=True):
        parts = [row[[place]] for place in range(len(CURVES))]
        cells = " | ".join(with_interval(part, ".3f") for part in (*parts, row))
        rows.append(f"| {sampler} + {policy} | {cells} |")
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--joint", action="store_true")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
    with ProcessPoolExecutor(given.processes) as pool:
        rows = (joint_lines if given.joint else policy_lines)(given.seeds, pool)
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
