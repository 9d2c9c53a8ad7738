from __future__ import annotations

import math

import pytest

from experiments.search.fields import Diagnostics
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import (
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Uniform,
)
from experiments.search.space.distribution import Distribution
from experiments.search.space.expressions import Call
from experiments.search.space.notation import read_distribution
from experiments.search.space.ranges import FloatRange, IntRange, RandInt


def read(value: object) -> tuple[Distribution | None, Diagnostics]:
    diagnostics = Diagnostics()
    return read_distribution(value, "x", diagnostics, log_base=math.e), diagnostics


RANGE, NORMAL = ("min_value", "max_value"), ("mu", "sigma")
SAME = [
    (Choice((16, 32)), {"values": [16, 32]}),
    (RandInt(5), {"upper": 5}),
    (Uniform(0, 1), dict(zip(RANGE, (0, 1), strict=True))),
    (QUniform(0, 10, 2), dict(zip((*RANGE, "q"), (0, 10, 2), strict=True))),
    (LogUniform(-6, -1), dict(zip(RANGE, (-6, -1), strict=True))),
    (QLogUniform(0, 3, 1), dict(zip((*RANGE, "q"), (0, 3, 1), strict=True))),
    (Normal(10, 3), dict(zip(NORMAL, (10, 3), strict=True))),
    (QNormal(10, 3, 2), dict(zip((*NORMAL, "q"), (10, 3, 2), strict=True))),
    (LogNormal(0, 1), dict(zip(NORMAL, (0, 1), strict=True))),
    (QLogNormal(0, 1, 1), dict(zip((*NORMAL, "q"), (0, 1, 1), strict=True))),
    (IntRange(1, 9, log=True), {"low": 1, "high": 9, "step": None, "log": True}),
    (FloatRange(1e-4, 0.1, log=True), {"low": 1e-4, "high": 0.1, "log": True}),
]


@pytest.mark.parametrize(
    ("same", "given"), SAME, ids=lambda it: getattr(it, "kind", "")
)
def test_all_forms_of_a_distribution_are_read(
    same: Distribution, given: dict[str, object]
) -> None:
    """A mapping, Azure's list, and an expression with and without names."""
    named = {name: value for name, value in given.items() if value is not None}
    forms: list[object] = [
        {"type": same.kind, **given},
        {"type": same.kind.capitalize(), **given},
        [same.kind, list(given.values())],
        f"{same.kind}({', '.join(f'{name}={value}' for name, value in named.items())})",
    ]
    if len(named) == len(given):
        forms.append(f"{same.kind}({', '.join(map(str, given.values()))})")
    for form in forms:
        distribution, diagnostics = read(form)
        assert (distribution, diagnostics.problems) == (same, []), form


@pytest.mark.parametrize(
    ("value", "values"),
    [
        (["choice", [1, 2]], (1, 2)),
        (["choice", [[1, 2]]], (1, 2)),
        (["choice", [[[1, 2], [3]]]], ([1, 2], [3])),
        ("choice([1, 2])", (1, 2)),
        ("choice([[1, 2], [3]])", ([1, 2], [3])),
        ("choice([1], [2])", ([1], [2])),
        ("choice(values=[1, 2])", (1, 2)),
        ("choice(range(1, 5))", (1, 2, 3, 4)),
        (Call("choice", ("a",)), ("a",)),
    ],
)
def test_a_list_is_the_options_or_one_of_them(
    value: object, values: tuple[object, ...]
) -> None:
    distribution, diagnostics = read(value)
    assert diagnostics.problems == []
    assert isinstance(distribution, Choice)
    assert distribution.values == values


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ({"min_value": 0}, "x.type", "type is required"),
        ({"type": "unifrom"}, "x.type", "did you mean uniform?"),
        ({"type": 3}, "x.type", "There is no distribution"),
        ({"type": "randint"}, "x.upper", "required for randint"),
        ({"type": "randint", "upper": None}, "x.upper", "required for randint"),
        ({"type": "randint", "upper": 3, "q": 1}, "x.q", "type and upper"),
        (
            {"type": "uniform", "min_value": 0, "max_value": 1, "high": 2},
            "x.high",
            "did you mean max_value?",
        ),
        ({"type": "choice", "values": []}, "x.values", "one entry or more"),
        ('choice({"a": uniform(1, 0)})', "x.values.0.a.max_value", "above"),
        ('choice({"a": uniform(1)})', "x.values.0.a.max_value", "required"),
        ('choice(1, {"a b": 1})', "x.values.1.a b", "letters, digits"),
        (
            {"type": "choice", "values": [{"a": {"b": 1}}]},
            "x.values.0.a.type",
            "type is required",
        ),
        (
            {"type": "choice", "values": [{"a": [math.nan]}]},
            "x.values.0.a",
            "finite number",
        ),
        (
            'choice({"a": choice(1, 2, when={"y": [1]})})',
            "x.values.0.a.when",
            "counts with its branch",
        ),
        ("choice()", "x.values", "required for choice"),
        ("uniform(0, 1, 2)", "x", "takes min_value and max_value"),
        ("uniform(0, 1, min_value=0)", "x", "min_value is given twice"),
        ("uniform(0, 1", "x", "Line 1, column 8"),
        ("uniform(0, 1)(2)", "x", "bare name"),
        ("sgd", "x", "has no meaning"),
        ([16, 32], "x", "must be a distribution"),
        (["unifrom", [0, 1]], "x", "must be a distribution"),
        (["uniform", 0, 1], "x", "must be a distribution"),
        (3, "x", "choice(16, 32), not 3"),
        (None, "x", "not null"),
    ],
)
def test_what_is_no_distribution_is_a_problem_at_its_path(
    value: object, path: str, words: str
) -> None:
    distribution, diagnostics = read(value)
    assert distribution is None
    (problem,) = diagnostics.problems
    assert problem.path == path
    assert words in problem.message


def test_every_problem_of_a_distribution_is_noted_at_once() -> None:
    _, diagnostics = read({"type": "uniform", "min_value": "1e-4", "low": 3})
    assert {problem.path for problem in diagnostics.problems} == {
        *("x.low", "x.min_value", "x.max_value")
    }


def test_warnings_are_noted_with_their_path() -> None:
    _, diagnostics = read("loguniform(0.0001, 0.1)")
    assert [warning.path for warning in diagnostics.warnings] == ["x.min_value"]


def test_the_log_base_reaches_the_log_types() -> None:
    distribution = read_distribution(
        "loguniform(-4, -1)", "x", Diagnostics(), log_base=10
    )
    assert distribution == LogUniform(-4, -1, base=10)
