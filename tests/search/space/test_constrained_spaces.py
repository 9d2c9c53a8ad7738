from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from experiments.search.fields import DefinitionError
from experiments.search.samplers import make_sampler
from experiments.search.space.sampling import InfeasibleError
from experiments.search.space.space import SearchSpace
from tests.in_time import in_time

# With a fresh seed one run in a million of each test of frequencies would fail.
FALSE_ALARM = 1e-6
GRID = {"layers": "int(1, 4)", "batch": "choice(16, 32, 64, 128)"}
RULE = ["layers * batch <= 128"]
SGD = {
    "optimizer": 'choice("sgd", "adam")',
    "momentum": {"type": "choice", "values": [0.5, 0.9], "when": {"optimizer": "sgd"}},
    "layers": "int(1, 3)",
}


def space_of(document: object, *rules: str) -> SearchSpace:
    return SearchSpace.parse(document, constraints=list(rules))


def drawn(space: SearchSpace, kind: str, most: int = 10**6) -> list[str]:
    sampler = make_sampler({"type": kind, "seed": 5}, space)
    found: list[str] = []
    while len(found) < most and (one := sampler.suggest(len(found))) is not None:
        assert space.contains(one.params)
        found.append(json.dumps(one.params))
    return found


def problem_of(document: object, *rules: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        space_of(document, *rules)
    (problem,) = caught.value.problems
    assert problem.path == "constraints"
    return problem.message


def test_a_grid_skips_what_is_not_allowed() -> None:
    space = space_of(GRID, *RULE)
    expected = [
        json.dumps({"layers": layers, "batch": batch})
        for layers in (1, 2, 3, 4)
        for batch in (16, 32, 64, 128)
        if layers * batch <= 128
    ]
    assert space.count() == len(expected) == 11
    assert drawn(space, "grid") == expected
    assert space.configuration(10) == json.loads(expected[10])
    with pytest.raises(IndexError, match="11 points"):
        space.configuration(11)


def test_random_goes_through_all_that_is_allowed_once() -> None:
    space = space_of(GRID, *RULE)
    assert sorted(drawn(space, "random")) == sorted(drawn(space, "grid"))


def test_a_constraint_counts_only_where_its_parameters_do() -> None:
    space = space_of(SGD, "momentum * layers <= 1")
    # adam: 3 layers; sgd with 0.5: 1 or 2; with 0.9: 1.
    assert space.count() == 3 + 2 + 1
    assert sorted(drawn(space, "random")) == sorted(drawn(space, "grid"))
    assert not space.contains({"optimizer": "sgd", "momentum": 0.9, "layers": 2})
    (problem,) = space.problems({"optimizer": "sgd", "momentum": 0.9, "layers": 2})
    assert problem == ("constraints.0", "momentum * layers <= 1 is not met.")


def test_a_constraint_may_look_into_a_nested_choice() -> None:
    net = 'choice({"kind": "mlp", "units": choice(8, 64)}, {"kind": "linear"})'
    space = space_of({"net": net, "batch": "choice(8, 16)"}, "net.units * batch < 1000")
    assert space.count() == 2 * 2 - 1 + 2
    assert len(drawn(space, "random")) == 5
    alone = space_of({"net": net, "batch": "choice(8, 16)"}, "net.kind == 'linear'")
    assert set(drawn(alone, "grid")) == {
        '{"net": {"kind": "linear"}, "batch": 8}',
        '{"net": {"kind": "linear"}, "batch": 16}',
    }


def test_an_infinite_space_is_drawn_from_by_rejection() -> None:
    space = space_of({"a": "uniform(0, 1)", "b": "uniform(0, 1)"}, "a + b < 0.2")
    assert space.count() is None and space.count_words() == "infinitely many"
    sampler = make_sampler({"type": "random", "seed": 3}, space)
    points = [sampler.suggest(number).params for number in range(300)]  # type: ignore[union-attr]
    assert all(one["a"] + one["b"] < 0.2 for one in points)  # type: ignore[operator]
    again = make_sampler({"type": "random", "seed": 3}, space).suggest(299)
    assert again is not None and again.params == points[299]


def test_what_is_allowed_keeps_its_odds() -> None:
    space = space_of({"a": "uniform(0, 1)", "b": "uniform(0, 1)"}, "a <= b")
    rng = np.random.default_rng(20_240_601)
    found = np.array([list(space.sample(rng).values()) for _ in range(4000)])
    # P(a < x given a <= b) = 1 - (1 - x)^2, uniform on the triangle.
    shares = 1 - (1 - found[:, 0]) ** 2
    cells = np.histogram(shares, bins=20, range=(0, 1))[0]
    assert stats.chisquare(cells).pvalue > FALSE_ALARM


def test_a_finite_constrained_space_keeps_its_odds_in_the_first_trial() -> None:
    space = space_of(
        {
            "x": {"type": "choice", "values": [1, 2], "probabilities": [0.75, 0.25]},
            "y": "choice(1, 2)",
        },
        "x + y < 4",
    )
    counts = Counter(
        json.dumps(
            make_sampler({"type": "random", "seed": seed}, space).suggest(0).params  # type: ignore[union-attr]
        )
        for seed in range(3500)
    )
    observed = [counts[key] for key in sorted(counts)]
    assert stats.chisquare(observed, [1500, 1500, 500]).pvalue > FALSE_ALARM


def test_a_large_space_is_counted_where_little_of_it_is_allowed() -> None:
    space = space_of(
        {f"x{index}": "randint(50)" for index in range(8)},
        *["x0 + x1 < 3", *(f"x{i} == x{i + 1}" for i in range(1, 7))],
    )
    # (x0, x1) below 3 together, and all the others like x1.
    assert space.count() == 6
    assert len(drawn(space, "grid")) == len(drawn(space, "random")) == 6
    assert space.contains(space.sample(np.random.default_rng(1)))


def test_a_space_that_is_too_large_to_count_says_about_how_many() -> None:
    space = space_of(
        {f"x{index}": "randint(1000)" for index in range(4)},
        "x0 / (x1 + 1) <= x2 / (x3 + 1)",
    )
    assert space.count() is None and space.is_finite
    # Half of them, as every pair of quotients may be in either order.
    assert space.count_words() == "about 500,000,000,000"
    grid = drawn(space, "grid", 200)
    assert len(set(grid)) == 200
    assert json.loads(grid[0]) == {"x0": 0, "x1": 0, "x2": 0, "x3": 0}
    random = drawn(space, "random", 2000)
    assert len(set(random)) == 2000
    late = make_sampler({"type": "random", "seed": 5}, space).suggest(1234)
    assert late is not None and json.dumps(late.params) == random[1234]


def test_parameters_that_no_constraint_names_do_not_hinder_the_count() -> None:
    space = space_of({"x": f"int(1, {10**9})", "y": "choice(0, 1)"}, "y < 1")
    assert space.count() == 10**9
    assert space.configuration(9_999) == {"x": 10_000, "y": 0}


def test_an_axis_of_many_values_is_gone_through_in_pieces() -> None:
    space = space_of({"x": "randint(20000)", "y": "choice(1, 2)"}, "x % 5000 == y")
    assert [json.loads(one) for one in drawn(space, "grid")] == [
        {"x": x, "y": y} for x in range(20_000) for y in (1, 2) if x % 5000 == y
    ]


def test_a_space_of_which_nothing_is_allowed_is_refused() -> None:
    assert "No configuration" in problem_of(GRID, "layers * batch > 10000")
    message = problem_of({"a": "uniform(0, 1)"}, "a > 0", "a > 2")
    assert "Of 10,000 random configurations none met" in message
    assert "a > 2 alone ruled out 10,000" in message


def test_a_space_of_which_almost_nothing_is_allowed_is_refused() -> None:
    message = problem_of({"a": "uniform(0, 1)"}, "a < 0.0001")
    assert "and at least 10 must" in message
    assert space_of({"a": "uniform(0, 1)"}, "a < 0.01").contains({"a": 0.005})


def test_drawing_ends_with_an_error_where_nothing_is_allowed() -> None:
    rule = space_of({"a": "uniform(0, 9)"}, "a > 2").constraints
    empty = SearchSpace(SearchSpace.parse({"a": "uniform(0, 1)"}).parameters, {}, rule)
    with pytest.raises(InfeasibleError, match="10,000 random"):
        empty.sample(np.random.default_rng(1))


def test_constraints_of_every_size_are_judged_in_bounded_time() -> None:
    document = {f"x{index}": "uniform(0, 1)" for index in range(300)}
    rules = [f"x{i} + x{i + 1} < 3 and {'x1 * ' * 40} x2 < 2" for i in range(42)]
    # About 0.1 s when nothing else runs.
    space = in_time(5, lambda: space_of(document, *rules))
    in_time(5, lambda: space.sample(np.random.default_rng(1)))
    message = problem_of(document, *rules, "x2 < 0.5 and " * 100 + "x2 < 1")
    assert message.startswith("constraints may have 10,000 characters together")


def test_many_constraints_that_cannot_be_read_are_refused_in_bounded_time() -> None:
    names = {f"{'y' * 190}{index}": "randint(3)" for index in range(500)}

    def refused() -> list[str]:
        with pytest.raises(DefinitionError) as caught:
            space_of(names, *(f"{'y' * 30}{index}q < 3" for index in range(200)))
        return [problem.path for problem in caught.value.problems]

    paths = in_time(5, refused)
    assert paths == [*(f"constraints.{index}" for index in range(20)), "constraints"]


def test_rules_survive_being_written_and_read() -> None:
    space = space_of(SGD, " momentum * layers <= 1 ")
    assert [rule.text for rule in space.constraints] == ["momentum * layers <= 1"]
    assert space_of(space.dump(), *(rule.text for rule in space.constraints)) == space
    assert space != space_of(SGD)
