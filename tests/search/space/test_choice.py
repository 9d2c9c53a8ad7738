from __future__ import annotations

import json
import math

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.space.choice import Choice

MIXED = (1, "1", 1.0, True, None, [1, 2], 0, False, "")


def test_every_json_type_is_a_value_of_its_own() -> None:
    choice = Choice(MIXED)
    assert choice.count() == len(MIXED)
    drawn = [choice.at(index) for index in range(len(MIXED))]
    assert [json.dumps(value) for value in drawn] == [json.dumps(v) for v in MIXED]
    points = [choice.encode(value) for value in MIXED]
    assert points == sorted(set(points))


def test_equal_numbers_of_other_types_are_outside() -> None:
    choice = Choice((1, "a"))
    assert choice.contains(1)
    assert not choice.contains(1.0)
    assert not choice.contains(True)
    assert not choice.contains({1})


def test_a_value_listed_twice_is_one_value_twice_as_likely() -> None:
    choice = Choice(("a", "b", "a"))
    assert choice.count() == 2
    assert choice.partition.masses().tolist() == pytest.approx([2 / 3, 1 / 3])
    assert choice.dump()["values"] == ["a", "b", "a"]
    assert [warning.path for warning in choice.warnings()] == ["values"]
    assert list(Choice(("a", "b")).warnings()) == []


def test_probabilities_are_dumped_and_normalized() -> None:
    choice = Choice(("a", "b", "c"), (0.333, 0.333, 0.333))
    assert choice.dump()["probabilities"] == [0.333, 0.333, 0.333]
    assert choice.partition.masses().sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "path", "words"),
    [
        ((), "values", "one entry or more"),
        (16, "values", "one entry or more"),
        ((1, {"a": 2}), "values.1", "must be a Branch"),
        ((math.nan,), "values.0", "finite number"),
        (([1, math.inf],), "values.0", "finite number"),
        (("a\0",), "values.0", "NUL"),
        ((["x", ["a\0"]],), "values.0", "NUL"),
        ((object(),), "values.0", "A value must be text"),
        (tuple(range(10_001)), "values", "10,000 values, not 10,001"),
    ],
)
def test_bad_values_are_named(values: object, path: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Choice(values)  # type: ignore[arg-type]
    found = caught.value.by_path()
    assert list(found) == [path]
    assert words in found[path][0]


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [
        ((0.5,), "list of 2 numbers"),
        (0.5, "list of 2 numbers"),
        ((0.5, 0.4), "add up to 1, not 0.9"),
        ((1.0, 0.0), "above 0"),
        ((1.5, -0.5), "above 0"),
        ((math.nan, 1.0), "above 0"),
        (("a", 1.0), "above 0"),
    ],
)
def test_bad_probabilities_are_named(probabilities: object, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Choice(("a", "b"), probabilities)  # type: ignore[arg-type]
    found = caught.value.by_path()
    assert list(found) == ["probabilities"]
    assert words in found["probabilities"][0]


def test_text_that_spells_an_escape_is_no_nul() -> None:
    assert Choice(("\\u0000",)).count() == 1
