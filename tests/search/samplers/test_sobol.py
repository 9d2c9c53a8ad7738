from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from experiments.search.samplers import make_sampler
from experiments.search.samplers.sobol import MAX_AXES, SobolSampler, SobolSequence
from experiments.search.space.space import SearchSpace
from tests.search.samplers.sampler_contract import SamplerContract


class TestSobol(SamplerContract):
    kind = "sobol"


class TestRandomByTheSobolRule(SamplerContract):
    kind = "random"

    def make(self, *arguments, **named):  # type: ignore[no-untyped-def]
        given = super().make(*arguments, **named)
        settings = {"type": "random", "seed": given.seed, "rule": "sobol"}
        return make_sampler(settings, given.space)

    def test_it_is_the_sobol_sampler(self) -> None:
        for space in self.spaces():
            other = SobolSampler(space=self.make(space).space, seed=7)
            assert self.drawn(self.make(space), 15) == self.drawn(other, 15)


def sampler(
    space: dict[str, object], seed: int = 7, rules: tuple[str, ...] = ()
) -> SobolSampler:
    return SobolSampler(space=SearchSpace.parse(space, constraints=rules), seed=seed)


def points(draws: SobolSampler, number: int) -> np.ndarray:
    suggestions = [draws.suggest(index) for index in range(number)]
    return np.array(
        [draws.space.encode(found.params) for found in suggestions if found]
    )


CUBE: dict[str, object] = {
    "a": "uniform(-1, 3)",
    "b": "loguniform(-6, 0)",
    "c": "normal(0, 2)",
}


def test_the_points_fill_the_cube_more_evenly_than_random_ones() -> None:
    rng = np.random.default_rng(1)
    random = [qmc.discrepancy(rng.random((128, 3))) for _ in range(5)]
    even = [qmc.discrepancy(points(sampler(CUBE, seed), 128)) for seed in range(5)]
    assert max(even) < min(random) / 5


def test_every_half_of_every_axis_gets_half_of_each_pair() -> None:
    pairs = points(sampler(CUBE), 64).reshape(32, 2, 3)
    assert ((pairs < 0.5).sum(axis=1) == 1).all()


def test_another_seed_scrambles_otherwise() -> None:
    found = {tuple(points(sampler(CUBE, seed), 1)[0]) for seed in range(20)}
    assert len(found) == 20


def test_over_many_seeds_the_first_point_is_uniform() -> None:
    first = np.array([points(sampler(CUBE, seed), 1)[0] for seed in range(500)])
    for axis in first.T:
        # With fresh seeds, one run in a million would fail by chance.
        assert stats.kstest(axis, "uniform").pvalue > 1e-6


def test_a_late_point_is_found_at_once_and_is_the_same() -> None:
    in_order = points(sampler(CUBE), 1000)
    suggestion = sampler(CUBE).suggest(999)
    assert suggestion is not None
    assert np.array_equal(sampler(CUBE).space.encode(suggestion.params), in_order[999])
    assert sampler(CUBE).suggest(10**6) is not None


def test_points_that_are_not_allowed_are_passed_over() -> None:
    space: dict[str, object] = {"a": "uniform(0, 1)", "b": "uniform(0, 1)"}
    allowed = points(sampler(space, rules=("a + b < 0.5",)), 40)
    kept = [point for point in points(sampler(space), 1000) if point.sum() < 0.5]
    assert np.array_equal(allowed, kept[:40])


def test_where_hardly_any_point_is_allowed_the_rest_is_random() -> None:
    space: dict[str, object] = {"a": "uniform(0, 1)", "b": "uniform(0, 1)"}
    draws = sampler(space, rules=("a + b < 0.1",))
    first, late = draws.suggest(0), draws.suggest(1000)
    assert first is not None and late is not None
    assert (first.origin, late.origin) == ("sobol", "random")
    assert draws.space.contains(late.params)
    again = sampler(space, rules=("a + b < 0.1",)).suggest(1000)
    assert again == late


def test_an_uneven_finite_space_is_gone_through_to_its_end() -> None:
    uneven = {"type": "choice", "values": [0, 1], "probabilities": [0.9999, 0.0001]}
    draws = sampler({f"x{index}": uneven for index in range(6)})
    suggestions = [draws.suggest(number) for number in range(64)]
    assert len({json.dumps(found.params) for found in suggestions if found}) == 64
    assert draws.suggest(64) is None
    origins = [found.origin for found in suggestions if found]
    assert origins == sorted(origins, reverse=True)
    assert set(origins) == {"sobol", "random"}


def test_a_large_finite_space_is_drawn_from_without_repeating() -> None:
    draws = sampler({"a": "randint(2000)", "b": "randint(2000)"})
    found = {json.dumps(one.params) for n in range(3000) if (one := draws.suggest(n))}
    assert len(found) == 3000


@pytest.mark.parametrize("axes", [1, MAX_AXES, MAX_AXES + 20])
def test_more_axes_than_the_sequence_has_are_filled_up(axes: int) -> None:
    sequence = SobolSequence(axes, 3)
    block = sequence.block(1)
    assert block.shape == (256, axes)
    assert (block >= 0).all() and (block < 1).all()
    assert np.array_equal(SobolSequence(axes, 3).point(300), block[44])
    for axis in (block[:, 0], block[:, -1]):
        assert stats.kstest(axis, "uniform").pvalue > 1e-6
