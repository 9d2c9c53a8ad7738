"""The three Azure policies once more, in the slowest and most obvious way.

Values stay in the metric's own sign, every trial is a plain list, and each rule is
written down twice where the goals differ. On random sweeps the policies must decide
the same.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import fmean, median

import pytest

from experiments.search.records import Goal, JSONValue, Objective
from experiments.search.standings import Standings
from experiments.search.termination import make_policy

SWEEPS = 1000


@dataclass
class Sweep:
    """What everyone has reported, and who has ended."""

    goal: Goal
    values: dict[int, list[float]] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    def best(self, values: list[float]) -> float | None:
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return None
        return max(finite) if self.goal == "maximize" else min(finite)

    def worse(self, one: float | None, other: float | None) -> bool:
        """Whether one is strictly worse; None is worse than any number."""
        if other is None:
            return False
        if one is None:
            return True
        if math.isclose(one, other, rel_tol=1e-11, abs_tol=1e-13):
            return False
        return one < other if self.goal == "maximize" else one > other

    def rivals(self, number: int) -> dict[int, list[float]]:
        n = len(self.values[number])
        return {
            other: values[:n]
            for other, values in self.values.items()
            if other != number and len(values) >= n
        }


def bandit(sweep: Sweep, number: int, settings: dict[str, JSONValue]) -> bool:
    own = sweep.best(sweep.values[number])
    bests = [sweep.best(values) for values in sweep.rivals(number).values()]
    known = [best for best in (*bests, own) if best is not None]
    if not known:
        return False
    amount, factor = settings["slack_amount"], settings["slack_factor"]
    assert isinstance(amount, int | float) and isinstance(factor, int | float)
    if sweep.goal == "maximize":
        best = max(known)
        gap = amount or abs(best) * factor / (1 + factor)
        return sweep.worse(own, best - gap)
    best = min(known)
    return sweep.worse(own, best + (amount or abs(best) * factor))


def median_stopping(sweep: Sweep, number: int, _: dict[str, JSONValue]) -> bool:
    averages = []
    for values in sweep.rivals(number).values():
        finite = [value for value in values if math.isfinite(value)]
        worst = -math.inf if sweep.goal == "maximize" else math.inf
        averages.append(fmean(finite) if finite else worst)
    middle = median(averages)
    return math.isfinite(middle) and sweep.worse(
        sweep.best(sweep.values[number]), middle
    )


def truncation(sweep: Sweep, number: int, settings: dict[str, JSONValue]) -> bool:
    rivals = sweep.rivals(number)
    if settings["exclude_finished_jobs"]:
        rivals = {n: v for n, v in rivals.items() if n not in sweep.ended}
    percentage = settings["truncation_percentage"]
    assert isinstance(percentage, int)
    own = sweep.best(sweep.values[number])
    field_size = len(rivals) + 1
    ending = math.floor(field_size * percentage / 100)
    better = sum(sweep.worse(own, sweep.best(values)) for values in rivals.values())
    return ending > 0 and better >= field_size - ending


RULES = {
    "bandit": bandit,
    "median_stopping": median_stopping,
    "truncation_selection": truncation,
}


def random_settings(draw: random.Random, kind: str) -> dict[str, JSONValue]:
    settings: dict[str, JSONValue] = {
        "type": kind,
        "evaluation_interval": draw.choice([1, 1, 2, 3]),
        "delay_evaluation": draw.choice([0, 0, 2, 5]),
        "min_rivals": draw.choice([1, 1, 3]),
    }
    if kind == "bandit":
        name = draw.choice(["slack_factor", "slack_amount"])
        settings[name] = draw.choice([0.05, 0.2, 1])
    if kind == "truncation_selection":
        settings["truncation_percentage"] = draw.choice([1, 20, 25, 50, 99])
        settings["exclude_finished_jobs"] = draw.random() < 0.5
    return settings


def random_value(draw: random.Random, offset: float) -> float:
    if draw.random() < 0.1:
        return draw.choice([math.nan, math.inf, -math.inf])
    return round(draw.uniform(-1, 1), draw.choice([1, 6])) + offset


def arrivals(draw: random.Random) -> list[int]:
    """Which trial reports next: few begin at a time, and each has its own pace."""
    order = [n for n in range(draw.randint(1, 12)) for _ in range(draw.randint(1, 7))]
    if draw.random() < 0.7:
        draw.shuffle(order)
    return order


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize("kind", RULES)
def test_random_sweeps_get_the_same_verdicts(kind: str, goal: Goal) -> None:
    draw = random.Random(f"{kind} {goal}")
    stops = judged = 0
    for _ in range(SWEEPS // len(RULES) // 2 + 1):
        made = make_policy(random_settings(draw, kind), Objective("m", goal))
        assert made is not None
        settings = made.settings()
        sweep, standings = Sweep(goal), Standings()
        offset = draw.choice([0, 0, -5, 3])
        for number in arrivals(draw):
            if number in sweep.ended:
                continue
            if number not in sweep.values:
                sweep.values[number] = []
                standings.start(number)
            value = random_value(draw, offset)
            sweep.values[number].append(value)
            evidence = standings.report(number, made.objective.loss(value))
            n = len(sweep.values[number])
            due = n >= made.delay_evaluation and n % made.evaluation_interval == 0
            assert made.due(n) is due
            rivals = sweep.rivals(number)
            if settings.get("exclude_finished_jobs"):
                rivals = {k: v for k, v in rivals.items() if k not in sweep.ended}
            stop = (
                due
                and len(rivals) >= made.min_rivals
                and RULES[kind](sweep, number, settings)
            )
            if due:
                assert evidence is not None
                verdict = made.judge(evidence)
                assert verdict.stop is stop, (settings, sweep, number)
                assert made.ends(evidence) is stop
                assert verdict.rivals == len(rivals)
                assert verdict.value == sweep.best(sweep.values[number])
                judged += 1
                stops += stop
            if stop or draw.random() < 0.05:
                standings.finish(number, completed=not stop)
                sweep.ended.add(number)
    assert judged > 500 and stops > 50
