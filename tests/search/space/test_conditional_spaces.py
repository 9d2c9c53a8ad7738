"""Spaces with conditions and nested choices, against what they mean word for word."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.search.fields import DefinitionError
from experiments.search.samplers import make_sampler
from experiments.search.space.space import NEUTRAL, SearchSpace
from tests.search.strategies import CONDITIONAL_SPACES, SMALL_SPACES

# With a fresh seed one run in a million of each test of frequencies would fail.
FALSE_ALARM = 1e-6

AZURE = {
    "conv_size": {
        "type": "choice",
        "values": [
            {
                "const_val": 999,
                "inner": {
                    "type": "choice",
                    "values": [
                        {"a": {"type": "uniform", "min_value": 0.001, "max_value": 0.1}}
                    ],
                },
            },
            {"v": {"type": "randint", "upper": 100}},
        ],
    }
}
SGD = {
    "momentum": {"type": "choice", "values": [0.5, 0.9], "when": {"optimizer": "sgd"}},
    "optimizer": 'choice("sgd", "adam")',
    "nesterov": {
        "type": "choice",
        "values": [True, False],
        "when": {"momentum": [0.9], "layers": [1, 2]},
    },
    "layers": "int(1, 3)",
}


def text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def expanded(law: Mapping[str, object]) -> Iterator[object]:
    """All values of a document's law, written down here once more."""
    if law["type"] != "choice":
        plain = {name: value for name, value in law.items() if name != "when"}
        distribution = SearchSpace.parse({"x": plain}).parameters["x"]
        yield from (distribution.at(index) for index in range(distribution.count()))
        return
    for value in law["values"]:
        if not isinstance(value, dict):
            yield value
            continue
        columns = [
            expanded(entry) if isinstance(entry, dict) else [entry]
            for entry in value.values()
        ]
        for row in itertools.product(*columns):
            yield dict(zip(value, row, strict=True))


def is_active(law: Mapping[str, object], params: Mapping[str, object]) -> bool:
    for address, values in law.get("when", {}).items():
        found: object = params
        for name in address.split("."):
            if not isinstance(found, Mapping) or name not in found:
                return False
            found = found[name]
        if text(found) not in set(map(text, values)):
            return False
    return True


def drawn(space: SearchSpace, kind: str, most: int = 10**6) -> list[str]:
    sampler = make_sampler({"type": kind, "seed": 5}, space)
    found: list[str] = []
    while len(found) < most and (one := sampler.suggest(len(found))) is not None:
        found.append(text(one.params))
    return found


@given(space=CONDITIONAL_SPACES, seed=st.integers(0, 2**32))
def test_a_draw_lies_in_the_space_and_comes_back_from_the_cube(
    space: SearchSpace, seed: int
) -> None:
    params = space.sample(np.random.default_rng(seed))
    assert space.problems(params) == ()
    assert list(params) == [name for name in space.parameters if name in params]
    json.dumps(params, allow_nan=False)
    point = space.encode(params)
    assert point.shape == (len(space.axes),)
    assert ((point >= 0) & (point <= 1)).all()
    values = space.flat(params)
    for place, name in enumerate(space.axes):
        assert name in values or point[place] == NEUTRAL
    again = space.decode(point)
    assert again.keys() == params.keys()
    # What a continuous law loses on the way is no more than a rounding.
    assert space.encode(again) == pytest.approx(point, abs=1e-9)


@given(space=CONDITIONAL_SPACES)
def test_a_dumped_space_is_read_back_equal(space: SearchSpace) -> None:
    again = SearchSpace.parse(json.loads(json.dumps(space.dump())))
    assert again == space
    assert text(again.dump()) == text(space.dump())
    assert list(again.axes) == list(space.axes)


@given(space=SMALL_SPACES.filter(lambda space: (space.count() or 0) < 3000))
def test_a_grid_is_every_configuration_once_and_so_is_random(
    space: SearchSpace,
) -> None:
    expected = configurations_of(space)
    assert space.count() == len(expected)
    for kind in ("grid", "random"):
        found = drawn(space, kind)
        assert len(found) == len(set(found))
        assert set(found) == expected


def configurations_of(space: SearchSpace) -> set[str]:
    """Every configuration: all products, and what is not active taken out."""
    laws = space.dump()
    found = set()
    for row in itertools.product(*map(expanded, laws.values())):
        params = dict(zip(laws, row, strict=True))
        while gone := [n for n in params if not is_active(laws[n], params)]:
            for name in gone:
                del params[name]
        found.add(text(params))
    return found


def test_a_chain_of_conditions_leaves_out_what_is_not_active() -> None:
    space = SearchSpace.parse(SGD)
    # sgd: 0.5 has 3 layers; 0.9 has 2 values of nesterov for 2 of the layers; adam: 3.
    assert space.count() == 3 + (2 * 2 + 1) + 3
    found = [json.loads(one) for one in drawn(space, "grid")]
    assert {"optimizer": "adam", "layers": 1} in found
    assert {"optimizer": "sgd", "momentum": 0.9, "layers": 3} in found
    assert all(("momentum" in one) == (one["optimizer"] == "sgd") for one in found)


def test_the_grid_turns_what_others_depend_on_slower() -> None:
    found = [json.loads(one) for one in drawn(SearchSpace.parse(SGD), "grid")]
    assert [one["optimizer"] for one in found] == ["sgd"] * 8 + ["adam"] * 3
    space = SearchSpace.parse(SGD)
    assert list(space.configuration(0)) == ["momentum", "optimizer", "layers"]


def test_an_inner_parameter_has_an_axis_of_its_own() -> None:
    space = SearchSpace.parse(AZURE)
    assert list(space.axes) == [
        *("conv_size", "conv_size.inner", "conv_size.inner.a", "conv_size.v")
    ]
    assert space.dump() == AZURE
    assert space.count() is None and not space.is_finite
    params = {"conv_size": {"const_val": 999, "inner": {"a": 0.05}}}
    assert space.contains(params)
    values = space.flat(params)
    assert values["conv_size.inner.a"] == 0.05
    assert "conv_size.v" not in values
    assert values["conv_size"] == AZURE["conv_size"]["values"][0]
    assert space.encode(params)[3] == NEUTRAL
    assert space.decode(space.encode({"conv_size": {"v": 7}})) == {
        "conv_size": {"v": 7}
    }


@pytest.mark.parametrize(
    "value",
    [
        {"const_val": 999.0, "inner": {"a": 0.05}},
        {"const_val": 999, "inner": {"a": 3}},
        {"const_val": 999},
        {"v": 100},
        {"v": True},
        {"v": 1, "w": 2},
        {},
        3,
        None,
        [1],
        AZURE["conv_size"]["values"][1],
    ],
    ids=str,
)
def test_a_mapping_that_no_branch_gives_is_outside(value: object) -> None:
    space = SearchSpace.parse(AZURE)
    assert not space.contains({"conv_size": value})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="is not a value of"):
        space.encode({"conv_size": value})  # type: ignore[dict-item]


def test_branches_with_one_law_for_a_name_share_its_axis() -> None:
    lr = {"type": "uniform", "min_value": 0, "max_value": 1}
    other = {"type": "uniform", "min_value": 5, "max_value": 6}
    values = [{"k": "a", "lr": lr}, {"k": "b", "lr": lr}, {"k": "c", "lr": other}]
    space = SearchSpace.parse({"net": {"type": "choice", "values": values}})
    assert list(space.axes) == ["net", "net.lr", "net.2.lr"]
    assert space.axes["net.2.lr"].address == "net.lr"
    assert space.flat({"net": {"k": "b", "lr": 0.5}})["net.lr"] == 0.5
    assert space.flat({"net": {"k": "c", "lr": 5.5}})["net.2.lr"] == 5.5


def test_a_configuration_that_two_branches_give_is_tried_once() -> None:
    space = SearchSpace.parse({"x": 'choice({"a": choice(1, 2)}, {"a": choice(2, 3)})'})
    assert space.count() == 3
    assert drawn(space, "grid") == [
        '{"x": {"a": 1}}',
        '{"x": {"a": 2}}',
        '{"x": {"a": 3}}',
    ]
    assert sorted(drawn(space, "random")) == drawn(space, "grid")


def test_a_condition_may_name_an_entry_of_a_nested_choice() -> None:
    space = SearchSpace.parse(
        {
            "net": 'choice({"kind": "a", "x": choice(1, 2)}, {"kind": "b"}, null)',
            "deep": {"type": "randint", "upper": 3, "when": {"net.x": 2}},
            "any": {"type": "randint", "upper": 2, "when": {"net.kind": ["b", "a"]}},
        }
    )
    # x = 1: 2; x = 2: 3 * 2; b: 2; null: 1
    assert space.count() == 2 + 6 + 2 + 1
    assert space.contains({"net": None})
    assert not space.contains({"net": None, "any": 1})
    assert space.contains({"net": {"kind": "a", "x": 2}, "deep": 0, "any": 1})


def test_a_value_too_many_or_too_few_is_explained() -> None:
    space = SearchSpace.parse(SGD)
    (problem,) = space.problems({"optimizer": "adam", "layers": 1, "momentum": 0.5})
    assert problem.path == "momentum"
    assert 'has a value only when {"optimizer": ["sgd"]}' in problem.message
    (problem,) = space.problems({"optimizer": "sgd", "layers": 1})
    assert problem == ("momentum", "momentum has no value.")


def test_values_of_a_condition_are_told_apart_by_type() -> None:
    space = SearchSpace.parse(
        {
            "a": "choice(1, true, 1.0)",
            "b": {"type": "randint", "upper": 4, "when": {"a": [1]}},
        }
    )
    assert space.count() == 4 + 2
    assert space.contains({"a": 1, "b": 0})
    assert space.contains({"a": True})
    assert not space.contains({"a": 1.0, "b": 0})


BAD = [
    ({"b": [1]}, "b", 'no parameter "b"'),
    ({"x": [1]}, "x", "x cannot depend on itself"),
    ({"x.y": [1]}, "x.y", "cannot depend on itself"),
    ({"a": [3]}, "a", "a is never 3"),
    ({"a": [1.0]}, "a", "a is never 1.0"),
    ({"a": []}, "a", "at least one value"),
    ({"u": [0.5]}, "u", "infinitely many values"),
    ({"a.b": [1]}, "a.b", "No value of a is a mapping"),
    ({"n.k": ["c"]}, "n.k", 'n.k is never "c": it is "a" or "b"'),
    ({"a": [float("nan")]}, "a", "finite number"),
    ({"n": {"k": "a"}}, "n", "such as {n.kind: [a]}"),
    ({}, "", "must be a mapping"),
    ("a", "", "must be a mapping"),
    (["a"], "", "must be a mapping"),
]


@pytest.mark.parametrize(("when", "path", "words"), BAD, ids=str)
def test_a_condition_that_cannot_be_is_a_problem(
    when: object, path: str, words: str
) -> None:
    document = {
        "x": {"type": "randint", "upper": 3, "when": when},
        "a": "choice(1, 2)",
        "u": "uniform(0, 1)",
        "n": 'choice({"k": "a"}, {"k": "b"})',
    }
    with pytest.raises(DefinitionError) as caught:
        SearchSpace.parse(document)
    (problem,) = caught.value.problems
    assert problem.path == ".".join(filter(None, ["search_space.x.when", path]))
    assert words in problem.message


def test_a_ring_of_conditions_is_a_problem() -> None:
    def law(other: str) -> dict[str, object]:
        return {"type": "randint", "upper": 2, "when": {other: [1]}}

    document = {"d": law("a"), "a": law("b"), "b": law("c"), "c": law("a")}
    with pytest.raises(DefinitionError) as caught:
        SearchSpace.parse(document)
    (problem,) = caught.value.problems
    assert problem.path == "search_space.a.when"
    assert "a on b on c on a" in problem.message


def test_a_condition_on_a_parameter_with_a_problem_is_no_second_problem() -> None:
    with pytest.raises(DefinitionError) as caught:
        SearchSpace.parse(
            {
                "a": "choice()",
                "b": {"type": "randint", "upper": 2, "when": {"a": [1]}},
            },
            constraints=["a + b < 3"],
        )
    assert [problem.path for problem in caught.value.problems] == [
        "search_space.a.values"
    ]


def test_a_dashed_name_is_converted_in_a_condition_too() -> None:
    space = SearchSpace.parse(
        {
            "--use-x": "choice(1, 2)",
            "b": {"type": "randint", "upper": 2, "when": {"--use-x": [1]}},
        }
    )
    assert space.conditions == {"b": {"use_x": (1,)}}


def test_a_long_chain_of_conditions_is_counted_and_numbered() -> None:
    document = {
        f"x{index}": {
            "type": "choice",
            "values": [0, 1],
            **({"when": {f"x{index - 1}": [1]}} if index else {}),
        }
        for index in range(400)
    }
    space = SearchSpace.parse(document)
    assert space.count() == 401
    assert space.configuration(400) == {f"x{index}": 1 for index in range(400)}
    assert space.configuration(0) == {"x0": 0}


def test_a_giant_conditional_space_is_counted_and_numbered() -> None:
    space = SearchSpace.parse(
        {
            **{f"x{index}": "randint(1000)" for index in range(20)},
            "y": {"type": "randint", "upper": 10, "when": {"x19": [7, 9]}},
        }
    )
    assert space.count() == 1000**19 * (998 + 2 * 10)
    zeros = {f"x{index}": 0 for index in range(19)}
    assert space.configuration(7) == {**zeros, "x19": 7, "y": 0}
    assert space.configuration(1018) == {**zeros, "x18": 1, "x19": 0}


def test_conditions_that_have_nothing_to_do_with_each_other_are_counted() -> None:
    space = SearchSpace.parse(
        {
            **{f"p{index}": "choice(0, 1)" for index in range(40)},
            **{
                f"x{index}": {
                    "type": "randint",
                    "upper": 2,
                    "when": {f"p{index}": [1]},
                }
                for index in range(40)
            },
        }
    )
    assert space.count() == 3**40
    assert len(set(drawn(space, "random", 50))) == 50
    assert len(set(drawn(space, "grid", 50))) == 50


def test_conditional_values_come_as_often_as_they_should() -> None:
    """P(sgd) = 1/2; momentum and nesterov keep their own odds where they count."""
    space = SearchSpace.parse({**SGD, "free": "uniform(0, 1)"})
    rng = np.random.default_rng(20_240_601)
    counts = Counter(
        tuple(
            (name, value)
            for name, value in sorted(space.sample(rng).items())
            if name != "free"
        )
        for _ in range(20_000)
    )
    sixth, twelfth = 1 / 2 / 3, 1 / 2 / 2 / 3
    expected = {}
    for key in counts:
        one = dict(key)
        odds = sixth if one["optimizer"] == "adam" else twelfth
        expected[key] = 20_000 * (odds / 2 if "nesterov" in one else odds)
    assert len(counts) == 11
    assert math.fsum(expected.values()) == pytest.approx(20_000)
    observed = [counts[key] for key in expected]
    assert stats.chisquare(observed, list(expected.values())).pvalue > FALSE_ALARM


def test_a_finite_conditional_space_keeps_its_law_in_the_first_trial() -> None:
    space = SearchSpace.parse(
        {
            "o": {"type": "choice", "values": ["a", "b"], "probabilities": [0.8, 0.2]},
            "m": {"type": "choice", "values": [1, 2], "when": {"o": "a"}},
        }
    )
    counts = Counter(
        text(make_sampler({"type": "random", "seed": seed}, space).suggest(0).params)
        for seed in range(3000)
    )
    observed = [counts[key] for key in sorted(counts)]
    assert sorted(counts) == ['{"m": 1, "o": "a"}', '{"m": 2, "o": "a"}', '{"o": "b"}']
    assert stats.chisquare(observed, [1200, 1200, 600]).pvalue > FALSE_ALARM
