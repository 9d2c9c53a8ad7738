"""Samplers that go by numbers, in a space where some was tried before."""

from __future__ import annotations

import pytest

from experiments.search.samplers import make_sampler
from experiments.search.samplers.grid import Untried
from experiments.search.space.distribution import identity
from experiments.search.space.space import SearchSpace

SPACE = {"a": "choice(1, 2, 3)", "b": "choice('x', 'y')"}
TRIED = ({"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 9, "b": "x"})


def untried(kind: str) -> Untried:
    sampler = make_sampler({"type": kind, "seed": 3}, SearchSpace.parse(SPACE))
    return Untried(sampler, frozenset(map(identity, TRIED)))


@pytest.mark.parametrize("kind", ["grid", "sobol", "random"])
def test_every_untried_configuration_comes_exactly_once(kind: str) -> None:
    choices = untried(kind)
    found = []
    while (suggestion := choices.suggest(len(found))) is not None:
        found.append(identity(suggestion.params))
    assert len(found) == len(set(found)) == 4
    assert not set(found) & set(map(identity, TRIED))


@pytest.mark.parametrize("kind", ["grid", "sobol", "random"])
def test_a_choice_follows_from_its_number_at_any_time(kind: str) -> None:
    forwards, backwards = untried(kind), untried(kind)
    assert [forwards.suggest(n) for n in range(4)] == [
        backwards.suggest(n) for n in (3, 2, 1, 0)
    ][::-1]


def test_the_grid_keeps_its_order() -> None:
    choices = untried("grid")
    params = [choices.suggest(n) for n in range(4)]
    assert [each and each.params for each in params] == [
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 3, "b": "x"},
        {"a": 3, "b": "y"},
    ]
