from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from experiments.search.fields import (
    DefinitionError,
    Diagnostics,
    Fields,
    Problem,
    is_number,
    join,
    listed,
    nearest,
    shown,
    unknown_name,
    whole_number,
)

Reading = Callable[[Fields], object]


def read(document: dict[str, object], reading: Reading) -> tuple[object, Diagnostics]:
    diagnostics = Diagnostics()
    return reading(Fields(document, "a", diagnostics)), diagnostics


@pytest.mark.parametrize(
    ("value", "reading", "result"),
    [
        ("yes", lambda f: f.text("x", None), "yes"),
        (None, lambda f: f.text("x", "default"), "default"),
        ("Grid", lambda f: f.option("x", "random", ("random", "grid")), "grid"),
        (None, lambda f: f.option("x", "random", ("random", "grid")), "random"),
        (True, lambda f: f.flag("x", False), True),
        (None, lambda f: f.flag("x", False), False),
        (3, lambda f: f.integer("x", None, least=0, most=9), 3),
        (3.0, lambda f: f.integer("x", None, least=0, most=9), 3),
        (0.5, lambda f: f.number("x", None), 0.5),
        (None, lambda f: f.number("x", None), None),
    ],
)
def test_a_good_value_is_read(value: object, reading: Reading, result: object) -> None:
    found, diagnostics = read({"x": value}, reading)
    assert found == result and type(found) is type(result)
    assert diagnostics.problems == []


@pytest.mark.parametrize(
    ("value", "reading", "words"),
    [
        (3, lambda f: f.text("x", None), "must be text"),
        ("  ", lambda f: f.text("x", None), "1 to 10,000 characters"),
        ("a\0b", lambda f: f.text("x", None), "NUL"),
        ("a" * 11, lambda f: f.text("x", None, most=10), "1 to 10 characters"),
        ("best", lambda f: f.option("x", "a", ("a", "b")), 'a or b, not "best"'),
        (1, lambda f: f.option("x", "a", ("a", "b")), "a or b, not 1"),
        (1, lambda f: f.flag("x", False), "true or false, not 1"),
        ("true", lambda f: f.flag("x", False), "true or false"),
        (True, lambda f: f.integer("x", 0, least=0, most=9), "from 0 to 9"),
        (3.5, lambda f: f.integer("x", 0, least=0, most=9), "not 3.5"),
        (10, lambda f: f.integer("x", 0, least=0, most=9), "not 10"),
        (math.nan, lambda f: f.integer("x", 0, least=0, most=9), "whole number"),
        (math.inf, lambda f: f.number("x", 0), "finite number"),
        (10**400, lambda f: f.number("x", 0), "finite number"),
        ("1", lambda f: f.number("x", 0), 'not "1"'),
        (-1, lambda f: f.number("x", 0, least=0), "at least 0"),
        (
            None,
            lambda f: f.text("x", None, required="yes"),
            "Add the field x, such as yes.",
        ),
        ([], lambda f: f.inner("x"), "mapping of fields"),
    ],
)
def test_a_bad_value_is_a_problem_at_its_path(
    value: object, reading: Reading, words: str
) -> None:
    _, diagnostics = read({"x": value}, reading)
    (problem,) = diagnostics.problems
    assert problem.path == "a.x"
    assert words in problem.message
    assert "x" in problem.message


def test_an_unknown_field_is_a_problem() -> None:
    diagnostics = Diagnostics()
    fields = Fields({"timeout": 1, "timout": 2}, "limits", diagnostics)
    fields.number("timeout", None)
    fields.close()
    (problem,) = diagnostics.problems
    assert problem.path == "limits.timout"
    assert "did you mean timeout?" in problem.message


def test_free_names_are_all_known() -> None:
    diagnostics = Diagnostics()
    fields = Fields({"a": 1, "b": 2}, "tags", diagnostics)
    assert fields.entries() == [("a", 1), ("b", 2)]
    fields.close()
    assert diagnostics.problems == []


def test_what_is_no_mapping_has_no_fields() -> None:
    diagnostics = Diagnostics()
    assert Fields.of([1], "trial", diagnostics) is None
    assert diagnostics.problems[0].path == "trial"
    assert Fields.of({}, "trial", diagnostics) is not None


@pytest.mark.parametrize("value", [True, "1", None, math.nan, math.inf, 10**400, []])
def test_these_are_not_numbers(value: object) -> None:
    assert not is_number(value)
    assert whole_number(value) is None


def test_a_whole_float_is_a_whole_number() -> None:
    assert whole_number(4.0) == 4
    assert whole_number(4.5) is None


def test_an_error_carries_every_problem_and_sorts_them_by_field() -> None:
    diagnostics = Diagnostics()
    diagnostics.error("limits.timeout", "one")
    diagnostics.error("", "two")
    diagnostics.error("limits.timeout", "three")
    with pytest.raises(DefinitionError) as caught:
        diagnostics.raise_if_any()
    assert str(caught.value) == "limits.timeout: one\ntwo\nlimits.timeout: three"
    assert caught.value.by_path() == {"limits.timeout": ["one", "three"], "": ["two"]}
    assert caught.value.problems[0] == Problem("limits.timeout", "one")


def test_warnings_alone_are_no_error() -> None:
    diagnostics = Diagnostics()
    diagnostics.warn("x", "odd")
    diagnostics.raise_if_any()
    assert diagnostics.warnings == [Problem("x", "odd")]


def test_paths_are_joined_by_dots() -> None:
    assert join("", "limits") == "limits"
    assert join("search_space.x.values", 2) == "search_space.x.values.2"


def test_a_shown_value_is_json_and_short() -> None:
    assert shown("é") == '"é"'
    assert shown(True) == "true"
    assert len(shown(list(range(1000)))) == 60


def test_a_shown_value_may_be_a_knot() -> None:
    knot: list[object] = []
    knot.append(knot)
    assert shown(knot) == "a list"


def test_a_shown_value_can_always_be_sent() -> None:
    assert shown("\ud800").encode() == b'"\\ud800"'


def test_names_are_listed_as_in_a_sentence() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"], last="or") == "a, b or c"


def test_the_nearest_known_name_is_suggested() -> None:
    known = ["objective", "limits", "compute"]
    assert nearest("objectve", known) == "objective"
    assert nearest("Limit", known) == "limits"
    assert nearest("zzz", known) is None
    assert "did you mean compute?" in unknown_name("comput", known)
    assert unknown_name("zzz", known).endswith("objective, limits and compute.")


def test_a_huge_unknown_name_is_answered_quickly() -> None:
    assert len(unknown_name("x" * 10**6, ["objective"])) < 200
