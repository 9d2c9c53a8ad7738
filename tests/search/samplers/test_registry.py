from __future__ import annotations

import pytest

from experiments.search.fields import DefinitionError, Diagnostics
from experiments.search.samplers import (
    SAMPLERS,
    GridSampler,
    RandomSampler,
    fresh_seed,
    make_sampler,
    read_sampling,
)
from experiments.search.space.space import SearchSpace

SPACE = SearchSpace.parse({"a": "choice(1, 2)"})


def test_every_sampler_is_registered_by_its_name() -> None:
    assert {"random", "grid", "sobol", "bayesian"} <= set(SAMPLERS)
    assert SAMPLERS["grid"] is GridSampler and SAMPLERS["random"] is RandomSampler
    assert all(sampler.kind == name for name, sampler in SAMPLERS.items())


@pytest.mark.parametrize("given", ["grid", "GRID", {"type": "Grid"}])
def test_a_sampler_may_be_named_in_any_case(given: object) -> None:
    sampler = make_sampler(given, SPACE)  # type: ignore[arg-type]
    assert isinstance(sampler, GridSampler)


def test_settings_are_canonical_and_read_back_the_same() -> None:
    diagnostics = Diagnostics()
    settings = read_sampling(
        {"type": "RANDOM", "logbase": "e"}, diagnostics, path="s", new_seed=lambda: 5
    )
    assert settings == {"type": "random", "seed": 5, "rule": "random"}
    assert read_sampling(settings, diagnostics, path="s") == settings
    assert diagnostics.problems == []


def test_a_fresh_seed_is_small_and_rarely_the_same() -> None:
    seeds = {fresh_seed() for _ in range(20)}
    assert len(seeds) > 15
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(
    ("mapping", "path", "words"),
    [
        ({"type": "annealing"}, "type", "there are auto, bayesian, tpe"),
        ({"type": "rand"}, "type", "did you mean random?"),
        ({"type": 3}, "type", "must be text"),
        ({"seed": "x"}, "seed", "whole number"),
        ({"seed": 2**63}, "seed", "whole number"),
        ({"rule": "halton"}, "rule", 'must be random or sobol, not "halton"'),
        ({"type": "grid", "rule": "random"}, "rule", "no field"),
        ([], "", "mapping"),
    ],
)
def test_bad_settings_are_problems(mapping: object, path: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_sampler(mapping, SPACE)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert problem.path == f"sampling_algorithm.{path}".rstrip(".")
    assert words in problem.message
