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


SAME = [
    (
        Choice((16, 32)),
        {"type": "choice", "values": [16, 32]},
        ["choice", [[16, 32]]],
        "choice(16, 32)",
    ),
    (RandInt(5), {"type": "randint", "upper": 5}, ["randint", [5]], "randint(5)"),
    (
        Uniform(0, 1),
        {"type": "Uniform", "min_value": 0, "max_value": 1},
        ["uniform", [0, 1]],
        "uniform(0, 1)",
    ),
    (
        QUniform(0, 10, 2),
        {"type": "quniform", "min_value": 0, "max_value": 10, "q": 2},
        ["quniform", [0, 10, 2]],
        "quniform(0, 10, q=2)",
    ),
    (
        LogUniform(-6, -1),
        {"type": "loguniform", "min_value": -6, "max_value": -1},
        ["loguniform", [-6, -1]],
        "LogUniform(-6, -1)",
    ),
    (
        QLogUniform(0, 3, 1),
        {"type": "qloguniform", "min_value": 0, "max_value": 3, "q": 1},
        ["qloguniform", [0, 3, 1]],
        "qloguniform(0, 3, 1)",
    ),
    (
        Normal(10, 3),
        {"type": "normal", "mu": 10, "sigma": 3},
        ["normal", [10, 3]],
        "normal(10, 3)",
    ),
    (
        QNormal(10, 3, 2),
        {"type": "qnormal", "mu": 10, "sigma": 3, "q": 2},
        ["qnormal", [10, 3, 2]],
        "qnormal(mu=10, sigma=3, q=2)",
    ),
    (
        LogNormal(0, 1),
        {"type": "lognormal", "mu": 0, "sigma": 1},
        ["lognormal", [0, 1]],
        "lognormal(0, 1)",
    ),
    (
        QLogNormal(0, 1, 1),
        {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 1},
        ["qlognormal", [0, 1, 1]],
        "qlognormal(0, 1, 1)",
    ),
    (
        IntRange(1, 9, log=True),
        {"type": "int", "low": 1, "high": 9, "log": True, "step": None},
        ["int", [1, 9, 1, True]],
        "int(1, 9, log=True)",
    ),
    (
        FloatRange(0.0001, 0.1, log=True),
        {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
        ["float", [0.0001, 0.1, True]],
        "float(0.0001, 0.1, log=true)",
    ),
]


@pytest.mark.parametrize("case", SAME, ids=lambda case: case[0].kind)
@pytest.mark.parametrize("form", [1, 2, 3], ids=["mapping", "wire", "expression"])
def test_all_forms_of_a_distribution_are_read(
    case: tuple[object, ...], form: int
) -> None:
    distribution, diagnostics = read(case[form])
    assert diagnostics.problems == []
    assert distribution == case[0]


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
