from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError
from experiments.search.space.space import SearchSpace
from tests.search.strategies import FINITE_SPACES, SPACES

GRID = {
    "layers": {"type": "choice", "values": [1, 2, 3]},
    "batch": "choice(16, 32)",
    "size": ["quniform", [1, 10, 4]],
}


@given(space=SPACES, seed=st.integers(0, 2**32))
def test_a_draw_lies_in_the_space(space: SearchSpace, seed: int) -> None:
    params = space.sample(np.random.default_rng(seed))
    assert list(params) == list(space.parameters)
    assert space.contains(params)
    assert space.problems(params) == ()


@given(space=SPACES)
def test_a_dumped_space_is_read_back_equal_and_in_order(space: SearchSpace) -> None:
    again = SearchSpace.parse(json.loads(json.dumps(space.dump())))
    assert again == space
    assert list(again.parameters) == list(space.parameters)


@given(space=FINITE_SPACES, data=st.data())
def test_a_finite_space_survives_the_unit_cube(
    space: SearchSpace, data: st.DataObject
) -> None:
    params = space.configuration(data.draw(st.integers(0, (space.count() or 1) - 1)))
    point = space.encode(params)
    assert point.shape == (len(space),)
    assert ((point >= 0) & (point <= 1)).all()
    assert json.dumps(space.decode(point)) == json.dumps(params)


def test_the_count_is_exact_and_the_last_parameter_turns_fastest() -> None:
    space = SearchSpace.parse(GRID)
    assert space.count() == 12
    points = [tuple(space.configuration(index).values()) for index in range(12)]
    assert points[:5] == [(1, 16, 4), (1, 16, 8), (1, 32, 4), (1, 32, 8), (2, 16, 4)]
    assert len(set(points)) == 12
    assert list(space.configuration(0)) == ["layers", "batch", "size"]


def test_an_infinite_space_has_no_count_and_no_numbers() -> None:
    space = SearchSpace.parse({**GRID, "lr": "uniform(0, 1)"})
    assert space.count() is None
    with pytest.raises(ValueError, match="not finite"):
        space.configuration(0)


@pytest.mark.parametrize("index", [-1, 12])
def test_a_number_outside_the_grid_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match="12 points"):
        SearchSpace.parse(GRID).configuration(index)


def test_a_giant_space_is_counted_exactly() -> None:
    space = SearchSpace.parse({f"x{i}": "randint(1000)" for i in range(30)})
    assert space.count() == 1000**30
    last = space.configuration(1000**30 - 1)
    assert set(last.values()) == {999}


@pytest.mark.parametrize(
    ("params", "path", "words"),
    [
        ({"layers": 1, "batch": 16}, "size", "no value"),
        ({"layers": 9, "batch": 16, "size": 4}, "layers", "layers is 9; allowed is"),
        ({"layers": 1.0, "batch": 16, "size": 4}, "layers", "1.0"),
        (
            {"layers": 1, "batch": 16, "size": 4, "batc": 1},
            "batc",
            "did you mean batch?",
        ),
    ],
)
def test_a_configuration_outside_is_explained(
    params: dict[str, object], path: str, words: str
) -> None:
    space = SearchSpace.parse(GRID)
    assert not space.contains(params)  # type: ignore[arg-type]
    (problem,) = space.problems(params)  # type: ignore[arg-type]
    assert problem.path == path
    assert words in problem.message


def test_a_space_may_be_text() -> None:
    text = 'RandomParameterSampling({"lr": normal(10, 3), "b": choice(1, 2)})'
    space = SearchSpace.parse(text)
    assert space.dump() == {
        "lr": {"type": "normal", "mu": 10, "sigma": 3},
        "b": {"type": "choice", "values": [1, 2]},
    }


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({}, "search_space", "at least one parameter"),
        ([], "search_space", "mapping"),
        (None, "search_space", "not null"),
        ("{", "search_space", "Line 1, column 1"),
        ({"1x": "uniform(0, 1)"}, "search_space.1x", "not starting with a digit"),
        ({"a b": "uniform(0, 1)"}, "search_space.a b", "letters, digits"),
        ({"é": "uniform(0, 1)"}, "search_space.é", "letters, digits"),
        ({"x" * 201: "uniform(0, 1)"}, "search_space." + "x" * 201, "letters"),
        (
            {"--lr": "uniform(0, 1)", "lr": "uniform(0, 1)"},
            "search_space.lr",
            "another parameter named lr",
        ),
        (
            {f"x{i}": "uniform(0, 1)" for i in range(501)},
            "search_space",
            "500 parameters, not 501",
        ),
    ],
)
def test_what_is_no_space_is_a_problem(document: object, path: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        SearchSpace.parse(document)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert words in problem.message


def test_a_point_outside_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="is not a value of"):
        SearchSpace.parse(GRID).encode({"layers": 9, "batch": 16, "size": 4})
