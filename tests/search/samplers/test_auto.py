from __future__ import annotations

import pytest

from experiments.search.history import History, empty
from experiments.search.samplers import make_sampler
from experiments.search.samplers.auto import AutoSampler
from experiments.search.space.space import SearchSpace
from tests.search.samplers.learning_contract import LearningContract
from tests.search.samplers.sampler_contract import (
    BRANCHING,
    COUNT,
    FINITE,
    SQUARE,
    told,
)


class TestAuto(LearningContract):
    kind = "auto"
    trials = 8


def auto(space: object, budget: int | None = None) -> AutoSampler:
    return AutoSampler(space=SearchSpace.parse(space), seed=3, budget=budget)


def with_results(space: SearchSpace, number: int) -> History:
    rows: list[list[object]] = [
        [place, {"x": place / number, "y": 0.5}, "completed", float(place)]
        for place in range(number)
    ]
    return told(space, rows)


MANY = {f"x{index}": "uniform(0, 1)" for index in range(101)}


@pytest.mark.parametrize(
    ("space", "budget", "method", "words"),
    [
        (FINITE, COUNT, "grid", "all 24 configurations fit into 24 trials"),
        (FINITE, COUNT - 1, "bayesian", "Chose Bayesian: it learns"),
        (FINITE, None, "bayesian", "Chose Bayesian: it learns"),
        ({"a": "choice(1)"}, 1, "grid", "the only configuration fits into one trial"),
        (SQUARE, 4, "sobol", "4 trials can only be spread evenly"),
        (SQUARE, 5, "bayesian", "learns most from every trial"),
        (BRANCHING, 1000, "bayesian", "learns most from every trial"),
        (SQUARE, None, "bayesian", "first trials cover the space until"),
        (MANY, 200, "tpe", "stays fast with 101 parameters"),
        ({"a": "randint(1001)"}, 5000, "bayesian", "Chose Bayesian: it learns"),
    ],
)
def test_it_chooses_by_space_and_budget_and_says_why(
    space: object, budget: int | None, method: str, words: str
) -> None:
    sampler = auto(space, budget)
    assert sampler.choice(empty(sampler.space)).method == method
    assert words in sampler.in_words()


def test_a_handful_of_trials_is_not_spread_where_there_are_results() -> None:
    sampler = auto(SQUARE, 4)
    assert sampler.choice(with_results(sampler.space, 3)).method == "sobol"
    assert sampler.choice(with_results(sampler.space, 4)).method == "bayesian"


@pytest.mark.parametrize(
    ("space", "budget", "kind", "trials"),
    [
        (FINITE, COUNT, "grid", COUNT),
        (SQUARE, 3, "sobol", 3),
        (SQUARE, 50, "bayesian", 8),
        (BRANCHING, None, "bayesian", 7),
    ],
)
def test_it_suggests_what_the_chosen_sampler_suggests(
    space: dict[str, object], budget: int | None, kind: str, trials: int
) -> None:
    sampler = auto(space, budget)
    chosen = make_sampler({"type": kind, "seed": 3}, sampler.space, budget=budget)
    history = empty(sampler.space)
    for number in range(trials):
        suggestion = sampler.suggest(number, history)
        assert suggestion is not None
        assert suggestion == chosen.suggest(number, history)
        history.start(number, suggestion.params)
        history.update(number, state="completed", value=float(number % 5))


def test_the_grid_passes_over_what_has_been_tried() -> None:
    sampler = auto(FINITE, COUNT)
    first, second = (sampler.space.configuration(index) for index in (0, 1))
    history = told(sampler.space, [[0, first, "completed", 1.0]])
    suggestion = sampler.suggest(1, history)
    assert suggestion is not None
    assert (suggestion.params, suggestion.origin) == (second, "grid")
