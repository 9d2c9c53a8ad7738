"""Hyperband as W&B applies it, compared with the rule written down once more."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.standings import Standings
from experiments.search.termination import WandbHyperbandPolicy, make_policy
from tests.search.termination.policy_contract import (
    MAXIMIZE,
    MINIMIZE,
    PolicyContract,
)
from tests.search.termination.scanned import judged


class TestWandbHyperband(PolicyContract):
    settings: ClassVar[Mapping[str, object]] = {
        **{"type": "wandb_hyperband", "min_iter": 2, "eta": 1.5},
        "strict": True,
    }
    checks: ClassVar[Collection[int]] = range(2, 1000)


def policy(**settings: Any) -> WandbHyperbandPolicy:
    made = make_policy({"type": "wandb_hyperband", **settings}, MINIMIZE)
    assert isinstance(made, WandbHyperbandPolicy)
    return made


@pytest.mark.parametrize(
    ("settings", "bands"),
    [
        ({"max_iter": 27, "s": 2}, [3, 9]),
        ({"max_iter": 81, "s": 3}, [3, 9, 27]),
        ({"max_iter": 18, "s": 2}, [2, 6]),
        # 5 / 2 and 5 / 4, cut to whole numbers; 5 / 8 is left out.
        ({"max_iter": 5, "s": 9, "eta": 2}, [1, 2]),
        ({"min_iter": 3}, [3, 9, 27, 81]),
        ({"min_iter": 3, "eta": 1.5}, [3, 4, 6, 10, 15, 22, 34, 51, 76]),
    ],
)
def test_the_bands_are_those_of_weights_and_biases(
    settings: dict[str, Any], bands: list[int]
) -> None:
    found = policy(**settings)
    assert [band for band in found.bands if band < 100] == bands
    assert found.next_check(0) == bands[0]
    assert found.next_check(bands[-1]) == bands[-1] + 1


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({}, "min_iter", "Set min_iter, or max_iter together with s"),
        ({}, "min_iter", "here is none of them."),
        ({"max_iter": 27}, "min_iter", "here is max_iter 27."),
        (
            {"min_iter": 3, "max_iter": 27, "s": 2},
            "min_iter",
            "min_iter 3, max_iter 27",
        ),
        ({"max_iter": 27, "s": 2.5}, "s", "s must be a whole number"),
        ({"min_iter": 3, "eta": 1}, "eta", "eta must be above 1, not 1."),
        ({"max_iter": 2, "s": 2}, "max_iter", "divided by eta must be at least 1"),
    ],
)
def test_settings_without_bands_are_problems(
    settings: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        policy(**settings)
    (problem,) = caught.value.problems
    assert problem.path == f"early_termination.{path}"
    assert words in problem.message


OTHERS = {0: [0.4, 0.5], 1: [0.1, 0.6], 2: [0.9, 0.7], 3: [0.8, 0.8], 4: [0.7, 0.9]}


def test_a_strict_rule_compares_values_at_the_band_and_not_bests() -> None:
    strict = policy(min_iter=2, strict=True)
    # Of six one in three and one more continue: the third value is the limit.
    found = judged(strict, [0.1, 0.75], OTHERS)
    assert found.stop and (found.value, found.threshold) == (0.75, 0.7)
    assert found.setters == (2,)
    assert found.reason == (
        "Ended after report 2: its value at report 2, 0.75, was above 0.7, the value of"
        " trial 2 at report 2: rank 3 of the 5 others there; one in 3 continues."
    )
    assert not judged(strict, [0.9, 0.65], OTHERS).stop
    # What it reached later does not count.
    assert judged(strict, [0.1, 0.75, 0.0], OTHERS).stop


def test_otherwise_the_best_so_far_counts() -> None:
    lenient = policy(min_iter=2)
    assert not judged(lenient, [0.1, 0.75], OTHERS).stop
    assert not judged(lenient, [0.9, 0.9, 0.1], OTHERS).stop
    found = judged(lenient, [0.9, 0.75], OTHERS)
    assert found.stop and "its best 0.75 was above 0.7, the value of" in found.reason


def test_a_trial_alone_at_its_band_continues() -> None:
    assert not judged(policy(min_iter=1, strict=True), [9.0], {}).stop
    assert judged(policy(min_iter=1, strict=True), [9.0, 9.0], {1: [1.0]}).stop


def ends(
    own: list[float],
    others: list[list[float]],
    bands: list[int],
    eta: float,
    strict: bool,
) -> bool:
    """Losses at the last band, all in one list: is the trial's above its limit?"""
    reached = [band for band in bands if band <= len(own)]
    if not reached:
        return False
    at = reached[-1] - 1
    values = sorted(curve[at] for curve in [own, *others] if len(curve) > at)
    return (own[at] if strict else min(own)) > values[int(1 / eta * len(values))]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("objective", [MINIMIZE, MAXIMIZE])
def test_random_sweeps_get_the_verdicts_of_the_rule_as_written(
    objective: Any, strict: bool
) -> None:
    draw = random.Random(f"{objective.goal} {strict}")
    stops = 0
    for _ in range(60):
        eta = draw.choice([1.5, 2, 3, 3.7, 49])
        settings = draw.choice(
            [{"min_iter": draw.randint(1, 3)}, {"max_iter": 9, "s": 2}]
        )
        if "s" in settings and eta > 9:
            continue
        document = {"type": "wandb_hyperband", **settings, "eta": eta, "strict": strict}
        made = make_policy(document, objective)
        assert isinstance(made, WandbHyperbandPolicy)
        standings, curves = Standings(made.due), dict[int, list[float]]()
        order = [number for number in range(draw.randint(1, 9)) for _ in range(10)]
        draw.shuffle(order)
        ended = set[int]()
        for number in order:
            if number in ended:
                continue
            if number not in curves:
                curves[number] = []
                standings.start(number)
            loss = round(draw.random(), 2)
            curves[number].append(loss)
            evidence = standings.report(number, loss)
            others = [curve for n, curve in curves.items() if n != number]
            stop = ends(curves[number], others, list(made.bands), eta, strict)
            assert (evidence is not None and made.judge(evidence).stop) is stop
            if stop:
                stops += 1
                ended.add(number)
                standings.finish(number, completed=False)
    assert stops > 30
