from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from experiments.search.fields import DefinitionError
from experiments.search.samplers import RandomSampler, log_base, make_sampler
from experiments.search.space.continuous import LogUniform
from experiments.search.space.space import SearchSpace
from tests.in_time import in_time
from tests.search.samplers.sampler_contract import SamplerContract

# With fresh seeds, one run in a million of each test below would fail by chance.
FALSE_ALARM = 1e-6


class TestRandom(SamplerContract):
    kind = "random"


def sampler(space: dict[str, object], seed: int = 7) -> RandomSampler:
    return RandomSampler(space=SearchSpace.parse(space), seed=seed)


def params_of(sampler: RandomSampler, number: int) -> dict[str, object]:
    suggestion = sampler.suggest(number)
    assert suggestion is not None
    assert suggestion.origin == "random"
    return dict(suggestion.params)


def test_other_seeds_and_other_numbers_give_other_draws() -> None:
    space = {"x": "uniform(0, 1)"}
    drawn = {
        params_of(sampler(space, seed), number)["x"]
        for seed in range(20)
        for number in range(20)
    }
    assert len(drawn) == 400


def test_a_parameter_added_at_the_end_leaves_the_others_as_they_were() -> None:
    one = params_of(sampler({"a": "uniform(0, 1)"}), 3)
    two = params_of(sampler({"a": "uniform(0, 1)", "b": "normal(0, 1)"}), 3)
    assert two["a"] == one["a"]


def test_numbers_across_trials_are_uniform_and_independent() -> None:
    draw = sampler({"a": "uniform(0, 1)", "b": "uniform(0, 1)"})
    points = np.array([list(params_of(draw, k).values()) for k in range(4000)])
    cells = np.histogram2d(*points.T, bins=8, range=[[0, 1], [0, 1]])[0].ravel()
    assert stats.chisquare(cells).pvalue > FALSE_ALARM
    follow = np.histogram2d(points[:-1, 0], points[1:, 0], bins=8)[0].ravel()
    assert stats.chisquare(follow).pvalue > FALSE_ALARM


@pytest.mark.parametrize("number", [0, 1])
def test_a_finite_space_keeps_its_own_law(number: int) -> None:
    # a and b are drawn first with 0.6 * 0.9 and so on; the second trial is drawn from
    # what is left, each with its share of that.
    space = {
        "x": {"type": "choice", "values": ["a", "b"], "probabilities": [0.6, 0.4]},
        "y": {"type": "choice", "values": [0, 1], "probabilities": [0.9, 0.1]},
    }
    first = {"a0": 0.54, "a1": 0.06, "b0": 0.36, "b1": 0.04}
    second = {
        name: sum(
            first[other] * share / (1 - first[other])
            for other in first
            if other != name
        )
        for name, share in first.items()
    }
    counts: Counter[str] = Counter()
    for seed in range(1500):
        params = params_of(sampler(space, seed), number)
        counts[f"{params['x']}{params['y']}"] += 1
    expected = [1500 * (first, second)[number][name] for name in sorted(first)]
    observed = [counts[name] for name in sorted(first)]
    assert stats.chisquare(observed, expected).pvalue > FALSE_ALARM


def test_one_space_and_one_seed_give_one_order_of_all_configurations() -> None:
    space: dict[str, object] = {"a": "randint(50)", "b": "randint(40)"}
    draw = sampler(space)
    order = [json.dumps(params_of(draw, number)) for number in range(2000)]
    assert len(set(order)) == 2000
    assert draw.suggest(2000) is None
    assert json.dumps(params_of(sampler(space), 1234)) == order[1234]


LARGE: dict[str, object] = {"a": "randint(2000)", "b": "randint(2000)"}


def test_a_large_finite_space_never_repeats() -> None:
    draw = sampler(LARGE)
    found = [json.dumps(params_of(draw, number)) for number in range(10_000)]
    assert len(set(found)) == 10_000
    assert json.dumps(params_of(sampler(LARGE), 9_999)) == found[-1]


def test_a_late_trial_of_a_large_finite_space_is_found_in_time() -> None:
    # A fresh sampler, as another process has it. About 0.1 s when nothing else runs.
    in_time(3, lambda: params_of(sampler(LARGE), 10_000))


def test_a_space_that_nearly_always_draws_the_same_still_never_repeats() -> None:
    uneven = {"type": "choice", "values": [0, 1], "probabilities": [0.99999, 0.00001]}
    for names in (8, 40):
        draw = sampler({f"x{index}": uneven for index in range(names)})
        found = {json.dumps(params_of(draw, number)) for number in range(100)}
        assert len(found) == 100


def test_a_space_of_astronomic_size_stay_fast() -> None:
    draw = sampler({f"x{index}": "randint(1000)" for index in range(60)})
    found = {json.dumps(params_of(draw, number)) for number in range(50)}
    assert len(found) == 50


def test_the_log_base_is_part_of_the_settings() -> None:
    settings = {"type": "random", "seed": 1, "logbase": 10}
    space = SearchSpace.parse(
        {"lr": "loguniform(-4, -1)"},
        log_base=log_base(settings),  # type: ignore[arg-type]
    )
    assert space.parameters["lr"] == LogUniform(-4, -1, base=10)
    suggestion = make_sampler(settings, space).suggest(0)
    assert suggestion is not None
    lr = suggestion.params["lr"]
    assert isinstance(lr, float) and 1e-4 <= lr <= 1e-1


@pytest.mark.parametrize("base", [1, 0.5, 0, -2, "10", "2", True, float("inf")])
def test_a_log_base_is_e_or_above_1(base: object) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_sampler({"type": "random", "logbase": base}, SearchSpace({}))
    assert list(caught.value.by_path()) == ["sampling_algorithm.logbase"]


def test_e_is_the_base_that_is_not_mentioned() -> None:
    assert log_base({"type": "random"}) == log_base(None) == pytest.approx(2.718281828)
    make_sampler({"type": "random", "logbase": "e"}, SearchSpace({}))
