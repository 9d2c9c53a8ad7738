from __future__ import annotations

import numpy as np
import pytest

from experiments.search.gp.cube import Candidates, UnitCube, from_log, to_log
from experiments.search.gp.encoding import Encoding
from experiments.search.gp.tried import Tried
from experiments.search.history import History
from experiments.search.records import Objective, TrialRecord
from experiments.search.space.space import NEUTRAL, SearchSpace
from tests.search.samplers.sampler_contract import CONDITIONAL, FINITE, RULES, WIDE

LARGE = {
    "randint": f"randint({2**40})",
    "int": {"type": "int", "low": 1, "high": 10**6, "log": True},
    "step": {"type": "float", "low": 0, "high": 1, "step": 1e-6},
    "uneven": "choice([1, 2, 3], probabilities=[0.7, 0.2, 0.1])",
    "one": "choice([1])",
}
SPACES = [FINITE, CONDITIONAL, WIDE, LARGE]


@pytest.mark.parametrize("document", SPACES)
def test_a_snapped_point_is_where_its_configuration_is_encoded(
    document: dict[str, object],
) -> None:
    space = SearchSpace.parse(document)
    points = np.random.default_rng(1).random((300, len(space.axes)))
    snapped, active = UnitCube(space).snapped(points)
    for point, counts in zip(snapped, active, strict=True):
        params = space.decode(point)
        values = space.flat(params)
        assert counts.tolist() == [name in values for name in space.axes]
        assert space.encode(params) == pytest.approx(point, abs=1e-9)
        assert (point[~counts] == NEUTRAL).all()


def test_every_point_of_a_finite_space_is_listed_once() -> None:
    space = SearchSpace.parse(CONDITIONAL, constraints=RULES)
    rows = space.finite.rows
    assert rows is not None
    points, active = UnitCube(space).points_of(rows)
    count = space.count()
    assert count is not None and len(points) == count
    expected = [space.configuration(index) for index in range(count)]
    assert [space.decode(point) for point in points] == expected
    assert (UnitCube(space).activity(points) == active).all()


@pytest.mark.parametrize("document", SPACES)
@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0])
def test_neighbors_lie_in_the_space_and_differ(
    document: dict[str, object], scale: float
) -> None:
    space = SearchSpace.parse(document)
    encoding = Encoding(space)
    rng = np.random.default_rng(1)
    candidates = Candidates(encoding.cube)
    centers, active = candidates.drawn(5, rng)
    near, near_active = candidates.near(centers, active, each=40, scale=scale, rng=rng)
    assert near.shape == (200, len(space.axes))
    for point in near:
        assert space.contains(space.decode(point))
    moved = (near != np.repeat(centers, 40, axis=0)).any(1)
    assert moved.mean() > 0.5
    assert (near_active == encoding.cube.activity(near)).all()


def test_a_short_step_changes_a_coarse_range_by_one_value() -> None:
    space = SearchSpace.parse({"n": {"type": "int", "low": 1, "high": 5}})
    candidates = Candidates(UnitCube(space))
    centers, active = UnitCube(space).snapped(np.array([[0.0], [0.5], [1.0]]))
    near, _ = candidates.near(
        centers, active, each=30, scale=1e-6, rng=np.random.default_rng(1)
    )
    found = [
        {space.decode(point)["n"] for point in near[i : i + 30]} for i in (0, 30, 60)
    ]
    assert found == [{2}, {2, 4}, {4}]


def test_a_parameter_that_becomes_active_is_drawn_anew() -> None:
    space = SearchSpace.parse(
        {
            "kind": "choice('a', 'b')",
            "x": {
                "type": "uniform",
                "min_value": 0,
                "max_value": 1,
                "when": {"kind": "b"},
            },
        }
    )
    candidates = Candidates(UnitCube(space))
    center = space.encode({"kind": "a"})[None]
    near, active = candidates.near(
        center,
        np.array([[True, False]]),
        each=200,
        scale=0.01,
        rng=np.random.default_rng(1),
    )
    drawn = near[active[:, 1], 1]
    assert len(drawn) > 100
    assert drawn.min() < 0.1 and drawn.max() > 0.9


def test_ordered_axes_go_from_0_to_1() -> None:
    space = SearchSpace.parse(
        {"n": "quniform(0, 10, 2)", "k": "int(1, 100, log=true)", "x": "uniform(2, 4)"}
    )
    ends = [{"n": 0, "k": 1, "x": 2.0}, {"n": 10, "k": 100, "x": 4.0}]
    points = np.array([space.encode(params) for params in ends])
    features = Encoding(space).features(points, np.ones((2, 3), bool))
    assert features.coordinates.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert features.linear.tolist() == [[-1, -1, -1], [1, 1, 1]]


def test_a_wide_linear_range_is_also_seen_on_a_logarithmic_scale() -> None:
    space = SearchSpace.parse({"decay": "uniform(0.0001, 1)", "x": "uniform(1, 999)"})
    encoding = Encoding(space)
    assert list(encoding.cube.wide) == [0]
    point = space.encode({"decay": 0.01, "x": 500.0})[None]
    plain = encoding.features(point, np.ones((1, 2), bool))
    logarithmic = encoding.features(point, np.ones((1, 2), bool), logarithmic=True)
    assert plain.coordinates[0, 0] == pytest.approx(0.01, abs=1e-3)
    assert logarithmic.coordinates[0] == pytest.approx([0.5, 0.5])
    assert logarithmic.linear.tolist() == plain.linear.tolist()
    assert plain.linear.shape == (1, 3)
    shares = np.linspace(0, 1, 11)
    assert from_log(to_log(shares, 1e4), 1e4) == pytest.approx(shares)


def test_how_often_alike_choices_take_a_value_is_a_feature() -> None:
    space = SearchSpace.parse(dict.fromkeys("pqrs", "choice('a', 'b')"))
    params = {"p": "a", "q": "b", "r": "a", "s": "a"}
    features = Encoding(space).features(
        space.encode(params)[None], np.ones((1, 4), bool)
    )
    assert features.linear.tolist() == [[1.5, 0.5]]
    assert features.categories.tolist() == [[1, 2, 1, 1]]


def test_inactive_axes_are_at_the_center() -> None:
    space = SearchSpace.parse(CONDITIONAL)
    point = space.encode({"optimizer": "adam", "net": None})
    active = UnitCube(space).activity(point[None])
    features = Encoding(space).features(point[None], active)
    assert features.coordinates.tolist() == [[0.5]]
    assert features.linear.tolist() == [[0.0]]
    assert sorted(features.categories[0].tolist()) == [0, 0, 2, 3]


def test_what_was_tried_is_known_again() -> None:
    space = SearchSpace.parse({**WIDE, **FINITE})
    rng = np.random.default_rng(1)
    tried = [space.sample(rng) for _ in range(20)]
    records = [
        TrialRecord(n, params, "running", None) for n, params in enumerate(tried)
    ]
    history = History.of(space, Objective("loss", "minimize"), records)
    known = Tried(UnitCube(space), history)
    assert all(known.has(params) for params in tried)
    others = [space.sample(rng) for _ in range(20)]
    assert not any(known.has(params) for params in others)
    assert known.admits(space.encode(tried[0])) is None
    point = space.encode(others[0])
    assert known.admits(point) == space.decode(point)


def test_what_breaks_a_constraint_is_not_admitted() -> None:
    space = SearchSpace.parse(
        {"a": "randint(3)", "b": "randint(3)"}, constraints=["a < b"]
    )
    tried = Tried(UnitCube(space), History(space, Objective("loss", "minimize")))
    assert tried.admits(space.encode({"a": 2, "b": 1})) is None
    assert tried.admits(space.encode({"a": 1, "b": 2})) == {"a": 1, "b": 2}
