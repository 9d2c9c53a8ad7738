from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError, Diagnostics
from experiments.search.space.distribution import (
    MAX_TEXT_LENGTH,
    Distribution,
    value_problem,
)
from experiments.search.space.notation import DISTRIBUTIONS, read_distribution
from experiments.search.space.params import read_params
from tests.factories import definition_document
from tests.search.strategies import KINDS, SHARES

each_kind = pytest.mark.parametrize("kind", sorted(KINDS))


def reread(distribution: Distribution) -> Distribution | None:
    diagnostics = Diagnostics()
    dumped = json.loads(json.dumps(distribution.dump()))
    read = read_distribution(dumped, "x", diagnostics, log_base=math.e)
    assert diagnostics.problems == []
    return read


def test_there_is_a_strategy_for_every_kind() -> None:
    assert set(KINDS) == set(DISTRIBUTIONS)


@each_kind
@given(data=st.data(), share=SHARES)
def test_a_draw_lies_inside(kind: str, data: st.DataObject, share: float) -> None:
    distribution = data.draw(KINDS[kind])
    value = distribution.quantile(share)
    assert distribution.contains(value)
    if isinstance(value, float):
        assert math.isfinite(value)


@each_kind
@given(data=st.data(), share=SHARES)
def test_a_draw_is_json_and_still_inside_after_it(
    kind: str, data: st.DataObject, share: float
) -> None:
    distribution = data.draw(KINDS[kind])
    text = json.dumps(distribution.quantile(share), allow_nan=False)
    assert distribution.contains(json.loads(text))


@each_kind
@given(data=st.data(), share=st.floats(0.001, 0.999))
def test_encoding_and_decoding_gives_the_same_value(
    kind: str, data: st.DataObject, share: float
) -> None:
    distribution = data.draw(KINDS[kind])
    value = distribution.quantile(share)
    point = distribution.encode(value)
    again = distribution.quantile(point)
    assert 0 <= point <= 1
    if distribution.count() is None and not kind.startswith("q"):
        # The distribution function and its inverse each round; near a normal's mean
        # of some size the value's own digits are what is lost.
        size = max(abs(float(value)), *(abs(v) for v in arguments(distribution)))  # type: ignore[arg-type]
        assert again == pytest.approx(value, rel=1e-7, abs=1e-9 * size)
    else:
        assert again == value and type(again) is type(value)


def arguments(distribution: Distribution) -> list[float]:
    numbers = [v for v in distribution.dump().values() if isinstance(v, int | float)]
    return [0.0, 0.0, *map(float, numbers)]


@each_kind
@given(data=st.data())
def test_a_dumped_distribution_is_read_back_equal(
    kind: str, data: st.DataObject
) -> None:
    distribution = data.draw(KINDS[kind])
    again = reread(distribution)
    assert again == distribution
    assert json.dumps(again.dump()) == json.dumps(distribution.dump())


@each_kind
@given(data=st.data())
def test_the_values_of_a_finite_distribution_are_distinct_and_inside(
    kind: str, data: st.DataObject
) -> None:
    distribution = data.draw(KINDS[kind])
    count = distribution.count()
    if count is None:
        with pytest.raises(ValueError):
            distribution.at(0)
        return
    indices = range(count) if count <= 50 else (0, 1, count // 2, count - 1)
    values = [distribution.at(index) for index in indices]
    assert len({json.dumps(value) for value in values}) == len(indices)
    assert all(distribution.contains(value) for value in values)


@each_kind
@given(data=st.data(), low=SHARES, high=SHARES)
def test_numbers_rise_with_their_share(
    kind: str, data: st.DataObject, low: float, high: float
) -> None:
    if kind == "choice":
        return
    distribution = data.draw(KINDS[kind])
    first, second = sorted((low, high))
    assert distribution.quantile(first) <= distribution.quantile(second)  # type: ignore[operator]


@each_kind
@pytest.mark.parametrize("value", [{"a": 1}, [[[1]]], math.nan, math.inf, "no"])
@given(data=st.data())
def test_a_foreign_value_is_outside_and_cannot_be_encoded(
    kind: str, value: object, data: st.DataObject
) -> None:
    distribution = data.draw(KINDS[kind])
    if kind == "choice" and value == "no":
        value = "a text that no strategy gives"
    assert not distribution.contains(value)
    with pytest.raises(ValueError, match="is not a value of"):
        distribution.encode(value)  # type: ignore[arg-type]


@each_kind
@given(data=st.data())
def test_a_draw_takes_one_number_from_the_generator(
    kind: str, data: st.DataObject
) -> None:
    distribution = data.draw(KINDS[kind])
    used, other = np.random.default_rng(3), np.random.default_rng(3)
    value = distribution.sample(used)
    assert value == distribution.quantile(float(other.random()))
    assert used.random() == other.random()


HUGE = 10**400
LONG = "x" * (MAX_TEXT_LENGTH + 1)


@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("nested", (False, True))
def test_a_number_beyond_every_float_is_refused(sign: int, nested: bool) -> None:
    value = sign * HUGE
    sentence = value_problem([{"k": value}] if nested else value)
    assert sentence and "at most 1.7e308 in size" in sentence
    assert len(sentence) < 120


@pytest.mark.parametrize("value", (10**308, -(2**64), 2**63, 0, True, 1e308, "x"))
def test_what_a_float_holds_is_allowed(value: object) -> None:
    assert value_problem(value) is None


def test_texts_have_a_limit_that_is_said() -> None:
    assert value_problem(LONG[1:]) is None
    for value in (LONG, [LONG], {"k": [LONG]}, {LONG: 1}):
        sentence = value_problem(value)
        assert sentence and "at most 10,000 characters" in sentence
        assert "has 10,001" in sentence and len(sentence) < 160


@pytest.mark.parametrize("value", (["a\0"], {"a\0": 1}, {"a": ["\0"]}))
def test_nul_is_found_everywhere(value: object) -> None:
    assert "NUL" in (value_problem(value) or "")


@pytest.mark.parametrize("value", (HUGE, LONG), ids=("huge", "long"))
@pytest.mark.parametrize("law", ("choice", "uniform"))
def test_neither_can_be_given_by_hand(value: object, law: str) -> None:
    laws = {
        "choice": {"type": "choice", "values": [1, "a"]},
        "uniform": {"type": "uniform", "min_value": 0, "max_value": 1},
    }
    definition = parse_document(definition_document(search_space={"x": laws[law]}))
    with pytest.raises(DefinitionError) as refusal:
        read_params(definition.search_space, {"x": value})
    assert list(refusal.value.by_path()) == ["params.x"]


@pytest.mark.parametrize("value", (HUGE, LONG), ids=("huge", "long"))
def test_neither_can_be_a_choice_of_a_space(value: object) -> None:
    document = definition_document(
        search_space={"x": {"type": "choice", "values": [1]}}
    )
    document["search_space"]["x"]["values"].append(value)
    with pytest.raises(DefinitionError):
        parse_document(document)
