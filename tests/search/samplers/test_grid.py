from __future__ import annotations

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.samplers import make_sampler
from experiments.search.space.space import SearchSpace
from tests.search.samplers.sampler_contract import SamplerContract


class TestGrid(SamplerContract):
    kind = "grid"
    infinite = False


def grid(space: dict[str, object]) -> list[tuple[object, ...]]:
    sampler = make_sampler({"type": "grid"}, SearchSpace.parse(space))
    found = []
    while (suggestion := sampler.suggest(len(found))) is not None:
        assert suggestion.origin == "grid"
        found.append(tuple(suggestion.params.values()))
    return found


def test_the_grid_of_the_article_has_six_points_in_document_order() -> None:
    space = {"num_hidden_layers": "choice(1, 2, 3)", "batch_size": "choice(16, 32)"}
    assert grid(space) == [(1, 16), (1, 32), (2, 16), (2, 32), (3, 16), (3, 32)]


def test_every_finite_distribution_may_take_part() -> None:
    space: dict[str, object] = {
        "a": "randint(2)",
        "b": "int(1, 5, 4)",
        "c": "float(0, 1, false, 0.5)",
        "d": "quniform(0, 4, 4)",
        "e": "qloguniform(0, 1, 2)",
    }
    points = grid(space)
    assert len(points) == len(set(points)) == 2 * 2 * 3 * 2 * 1
    assert points[0] == (0, 1, 0.0, 0, 2)
    assert points[-1] == (1, 5, 1.0, 4, 2)


def test_a_value_listed_twice_is_tried_once() -> None:
    assert grid({"a": "choice(1, 1, 2)"}) == [(1,), (2,)]


def test_the_seed_makes_no_difference() -> None:
    space = SearchSpace.parse({"a": "choice(3, 1, 2)"})
    one = make_sampler({"type": "grid", "seed": 1}, space).suggest(2)
    other = make_sampler({"type": "grid", "seed": 2}, space).suggest(2)
    assert one == other and one is not None and one.params == {"a": 2}


def test_a_point_far_out_is_found_at_once() -> None:
    space = SearchSpace.parse({f"x{index}": "randint(1000)" for index in range(20)})
    suggestion = make_sampler({"type": "grid"}, space).suggest(1000**10)
    assert suggestion is not None
    assert list(suggestion.params.values()) == [0] * 9 + [1] + [0] * 10


@pytest.mark.parametrize(
    "infinite",
    [
        *("uniform(0, 1)", "loguniform(0, 1)", "normal(0, 1)", "lognormal(0, 1)"),
        *("qnormal(0, 1, 1)", "qlognormal(0, 1, 1)", "float(0, 1)"),
    ],
)
def test_what_cannot_be_listed_is_refused_by_name(infinite: str) -> None:
    space = SearchSpace.parse({"a": "choice(1)", "b": infinite, "c": infinite})
    with pytest.raises(DefinitionError) as caught:
        make_sampler({"type": "grid"}, space)
    found = caught.value.by_path()
    assert list(found) == ["search_space.b", "search_space.c"]
    assert "Allowed are choice" in found["search_space.b"][0]
