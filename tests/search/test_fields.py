from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from experiments.search.fields import Diagnostics, Fields, is_number, whole_number

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
            "required, for example yes",
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


def test_a_field_that_nobody_asked_for_is_a_problem() -> None:
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
