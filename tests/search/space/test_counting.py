"""Counting with constraints, against going through everything."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError
from experiments.search.samplers import make_sampler
from experiments.search.space import counting
from experiments.search.space.constraints import parse_constraint
from experiments.search.space.distribution import Distribution
from experiments.search.space.sampling import Batch, RejectionSampling
from experiments.search.space.space import SearchSpace
from tests.in_time import in_time
from tests.search.samplers.sampler_contract import weights
from tests.search.strategies import CONDITIONAL_SPACES, DISTRIBUTIONS

TEN = dict.fromkeys("abcdefghijkl", "int(1, 10)")
WHOLE_SUM = " + ".join(TEN)

LAWS = st.sampled_from(
    [
        "int(0, 3)",
        "choice(-1, 2, 5)",
        "choice(0.1, 0.2, 0.7)",
        "choice(0.5, 0.25, 2)",
        "float(0, 1, step=0.1)",
        "quniform(-1, 1, 0.5)",
        'choice(1, 2, "auto")',
        "choice(1, 1000000000000)",
    ]
)
NAMES = ("a", "b", "c", "d")
FACTORS = st.sampled_from(
    ["{}", "2 * {}", "-{}", "{} ** 2", "1 / {}", "{} % 2", "0.1", "3", "0.3 * {}", "0"]
)
SIGNS = st.sampled_from([" + ", " - ", " * ", " / "])
COMPARISONS = st.sampled_from([" <= ", " < ", " >= ", " > ", " == ", " != "])


@st.composite
def sides(draw: st.DrawFn) -> str:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
    parts = [draw(FACTORS).format(name) for name in names]
    if draw(st.booleans()):
        sign = draw(SIGNS)
        return sign.join(parts)
    return "".join(draw(SIGNS) + part for part in parts)[3:]


@st.composite
def rules(draw: st.DrawFn) -> str:
    number = st.sampled_from(["0", "0.3", "1", "0.6", "2", "4", "-1", "1e12"])
    sides_ = [draw(sides()), draw(number | sides())]
    if draw(st.booleans()):
        sides_.insert(0, draw(number))
    text = sides_[0]
    for side in sides_[1:]:
        text += draw(COMPARISONS) + side
    return text


@st.composite
def spaces(draw: st.DrawFn) -> tuple[dict[str, object], list[str]]:
    document: dict[str, object] = {name: draw(LAWS) for name in NAMES}
    if draw(st.booleans()):
        document["b"] = {
            "type": "choice",
            "values": [1, 2, 0.3],
            "when": {"d": [1, 2, 0.1, 0.5]},
        }
        document["d"] = "choice(1, 2, 0.1, 7)" if draw(st.booleans()) else "int(1, 3)"
        document["b"]["when"] = {"d": [1]}  # type: ignore[index]
    order = draw(st.permutations(NAMES))
    given_ = draw(st.lists(rules(), min_size=1, max_size=3))
    return {name: document[name] for name in order}, given_


def constrained(document: dict[str, object], texts: list[str]) -> SearchSpace | None:
    """The space, whether or not much of it is allowed; None if a text is none."""
    free = SearchSpace.parse(document)
    kinds = {address: named.kinds for address, named in free.addresses.items()}
    try:
        found = tuple(parse_constraint(text, kinds) for text in texts)
    except ValueError:
        return None
    return SearchSpace(free.parameters, free.conditions, found)


@settings(max_examples=150)
@given(drawn=spaces())
def test_what_is_counted_is_what_going_through_all_finds(
    drawn: tuple[dict[str, object], list[str]],
) -> None:
    space = constrained(*drawn)
    if space is None:
        return
    free = SearchSpace(space.parameters, space.conditions)
    everything = [free.configuration(index) for index in range(free.count() or 0)]
    expected = [one for one in everything if space.meets_constraints(one)]
    assert space.count() == len(expected)
    assert [space.configuration(n) for n in range(len(expected))] == expected
    rows = space.finite.rows
    assert rows is not None
    found = [space.layout.params_of(space.finite.of_row(row)) for row in rows]
    assert found == expected
    # The same one by one, as where there are too many to list.
    enumerated = [
        space.finite.enumerated(number) for number in range(len(expected) + 1)
    ]
    assert enumerated.pop() is None
    assert [space.layout.params_of(one or {}) for one in enumerated] == expected


def test_sums_of_many_parameters_are_estimated() -> None:
    rules = [f"{WHOLE_SUM} <= 40"]
    space = in_time(1, lambda: SearchSpace.parse(TEN, constraints=rules))
    # The ways to get a sum of up to 40 with twelve dice of ten sides.
    ways = np.ones(1, dtype=object)
    for _ in range(12):
        ways = np.convolve(ways, np.array([0] + [1] * 10, dtype=object))
    assert sum(ways[:41]) == 4_557_248_800
    assert in_time(1, space.count) is None
    about = int(space.count_words().removeprefix("about ").replace(",", ""))
    assert about == pytest.approx(4_557_248_800, rel=0.4)
    # The same each time.
    again = SearchSpace.parse(TEN, constraints=rules)
    assert again.count_words() == space.count_words()


def test_where_no_draw_is_allowed_a_limit_is_known() -> None:
    space = constrained(TEN, [f"max({', '.join(TEN)}) == 1"])
    assert space is not None and space.count() is None
    assert space.count_words() == "at most 1,000,000,000,000"
    # The grid finds it all the same.
    assert space.configuration(0) == dict.fromkeys(TEN, 1)


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("a + b + c + d + e + f == 6", 1),
        ("6 <= a + b + c + d + e + f <= 7", 7),
        ("59 <= a + b + c + d + e + f", 7),
        ("a * b * c * d * e * f <= 2", 7),
        ("a * b * c * d * e * f % 997 == 5", 6),
    ],
)
def test_what_is_allowed_of_a_million_is_found(rule: str, count: int) -> None:
    space = SearchSpace.parse(dict.fromkeys("abcdef", "int(1, 10)"), constraints=[rule])
    assert in_time(1, space.count) == count
    assert len(space.finite.rows) == count  # type: ignore[arg-type]
    assert space.configuration(count - 1)
    with pytest.raises(IndexError):
        space.configuration(count)


@pytest.mark.parametrize(
    ("number", "step", "count"),
    # To spread 20 steps over six weights, or 10 over eight.
    [(6, 5, math.comb(25, 5)), (8, 10, math.comb(17, 7))],
)
def test_weights_with_a_sum_are_counted_and_walked(
    number: int, step: int, count: int
) -> None:
    space = in_time(3, lambda: weights(number, step))
    assert space.count() == count
    first, last = space.configuration(0), space.configuration(count - 1)
    assert list(first.values()) == [0] * (number - 1) + [100]
    assert list(last.values()) == [100] + [0] * (number - 1)
    rows = space.finite.rows
    assert rows is not None and len(np.unique(rows, axis=0)) == count
    # One by one, as where there are too many to list.
    assert space.finite.enumerated(count - 1) == space.finite.of_row(rows[-1])
    sampler = make_sampler({"type": "random", "seed": 1}, space)
    drawn = [sampler.suggest(trial) for trial in range(500)]
    assert all(sum(one.params.values()) == 100 for one in drawn if one)  # type: ignore[arg-type]
    assert len({str(one) for one in drawn}) == 500


def test_weights_that_cannot_have_a_sum_are_refused() -> None:
    with pytest.raises(DefinitionError, match="No configuration meets all"):
        weights(6, step=5, total=103)


def test_a_long_sum_is_walked_from_both_sides() -> None:
    # Almost 17 million million combinations.
    names = [f"w{place}" for place in range(10)]
    total = " + ".join(names)
    for rules in ([f"{total} >= 990"], [f"985 < {total}"], [f"1000 - ({total}) < 15"]):
        space = constrained(dict.fromkeys(names, "quniform(0, 100, 5)"), rules)
        assert space is not None
        # No or one weight one or two steps lower, or two weights one step lower.
        assert in_time(1, space.count) == 1 + 10 + 10 + 45


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("abs(a + b + c + d + e + f - 1) <= 0.000001", math.comb(25, 5)),
        ("a * b * c * d * e * f > 0.951", 1),
        ("a / (b + 1) + c - d - e - f >= 1.99", 1),
        ("-a - b - c - d - e - f >= 0 or a + b + c + d + e + f >= 6", 2),
    ],
)
def test_other_constraints_are_bounded_too(rule: str, count: int) -> None:
    document = dict.fromkeys("abcdef", "float(0, 1, step=0.05)")
    space = constrained(document, [rule])
    assert space is not None and in_time(2, space.count) == count


def test_parts_that_are_not_tied_together_are_counted_apart() -> None:
    rules = ["a + b + c == 20", "d == e", "f > 9"]
    space = constrained(TEN, rules)
    assert space is not None
    sums = itertools.product(range(1, 11), repeat=3)
    expected = sum(sum(one) == 20 for one in sums) * 10 * 1
    assert space.count() == expected * 10**6
    assert space.configuration(0) == {**dict.fromkeys(TEN, 1), "b": 9, "c": 10, "f": 10}
    assert space.configuration(10**6)["d"] == 2


def test_conditions_and_sums_go_together() -> None:
    document = {
        "kind": 'choice("x", "y")',
        **{
            f"p{n}": {"type": "int", "low": 1, "high": 9, "when": {"kind": "x"}}
            for n in range(5)
        },
    }
    rule = " + ".join(f"p{n}" for n in range(5)) + " <= 6"
    # With x all are 1, or one of them 2; with y none of them counts.
    assert constrained(document, [rule]).count() == 6 + 1  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [3, 20_000, 200_000], ids="{:,} values".format)
def test_the_end_of_a_grid_is_found(size: int) -> None:
    document = {"a": f"randint({size})", "b": "choice(1, 2)", "c": "choice(0, 1)"}
    space = SearchSpace.parse(document, constraints=["a + b == 2"])
    found = list(itertools.takewhile(bool, map(space.finite.values, itertools.count())))
    assert [tuple(one.values()) for one in found if one] == [
        *((0, 2, 0), (0, 2, 1), (1, 1, 0), (1, 1, 1))
    ]


@pytest.mark.parametrize(
    "rules",
    [
        [" + ".join(f"p{n % 60}" for n in range(450)) + " <= 900"] * 5,
        [f"p{n % 60} * p{(7 * n + 1) % 60} <= 8" for n in range(200)],
        [f"p{n % 60} / p{(7 * n + 1) % 60} != p{n % 7 + 1}" for n in range(200)],
        ["min(" + ", ".join(f"p{n % 60}" for n in range(390)) + ") < 3"] * 5,
    ],
    ids=["long sums", "many products", "many quotients", "long calls"],
)
@pytest.mark.parametrize("law", ["choice(1, 2, 3)", "randint(10000)", "uniform(1, 3)"])
def test_spaces_of_any_kind_are_read_in_time(rules: list[str], law: str) -> None:
    def read() -> None:
        try:
            SearchSpace.parse({f"p{n}": law for n in range(60)}, constraints=rules)
        except ValueError as error:
            assert "random configurations" in str(error) or "together" in str(error)

    # At most 0.8 s where nothing else runs.
    in_time(3, read)


@given(law=DISTRIBUTIONS, shares=st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_many_quantiles_at_once_are_the_same(
    law: Distribution, shares: list[float]
) -> None:
    one_by_one = [law.quantile(share) for share in shares]
    together = law.quantiles(np.array(shares))
    assert [type(value) for value in together] == [type(one) for one in one_by_one]
    for one, other in zip(together, one_by_one, strict=True):
        numbers = isinstance(one, float) and isinstance(other, float)
        assert one == (pytest.approx(other, rel=1e-12) if numbers else other)


@given(space=CONDITIONAL_SPACES, seed=st.integers(0, 99))
def test_a_batch_has_what_its_points_decode_to(space: SearchSpace, seed: int) -> None:
    points = np.random.default_rng(seed).random((5, len(space.axes)))
    batch = Batch(space.layout, points)
    params = batch.params(list(space.axes.values()))
    for row, point in enumerate(points):
        decoded = space.decode(point)
        active = {name for name, axis in space.axes.items() if batch.active(axis)[row]}
        assert set(space.flat(decoded)) <= active
        assert set(params(row)) == set(decoded)


def test_an_enumeration_keeps_the_latest_rows_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "MAX_KEPT", 5000)
    space = SearchSpace.parse(dict.fromkeys("abcde", "randint(10)"))
    rows = space.finite.enumeration
    rows.depth = 5
    digits = [9, 3, 8, 2, 7]
    assert rows.row(93_827).tolist() == digits  # type: ignore[union-attr]
    assert sum(map(len, rows._kept)) < 5000 + 2 * counting.BLOCK
    # An earlier row is found again.
    assert rows.row(1).tolist() == [0, 0, 0, 0, 1]  # type: ignore[union-attr]
    assert rows.row(100_000) is None


def test_the_first_point_that_is_allowed_is_taken() -> None:
    space = SearchSpace.parse({"a": "uniform(0, 1)"}, constraints=["a < 0.02"])
    point = RejectionSampling(space.layout, space.constraints).point(
        np.random.default_rng(8)
    )
    draws = np.random.default_rng(8).random((10_000, 1))
    assert point == draws[draws[:, 0] < 0.02][0]
