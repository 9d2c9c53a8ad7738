from __future__ import annotations

import ast

import pytest

from experiments.search.space.terms import combined


@pytest.mark.parametrize(
    ("operator", "left", "right", "result"),
    [
        (ast.Add(), 1, 2, 3),
        (ast.Sub(), 1, 2.5, -1.5),
        (ast.Mult(), 3, 4, 12),
        (ast.Div(), 1, 4, 0.25),
        (ast.Pow(), 10, -4, 1e-4),
        (ast.Pow(), 2, 10, 1024),
        (ast.Pow(), 0, 0, 1),
    ],
)
def test_plain_steps_are_computed(
    operator: ast.operator, left: float, right: float, result: float
) -> None:
    assert combined(operator, left, right) == pytest.approx(result)


@pytest.mark.parametrize(
    ("operator", "left", "right"),
    [
        (ast.Pow(), 10, 10**9),
        (ast.Pow(), 1e300, 2),
        (ast.Pow(), 0, -1),
        (ast.Pow(), -2, 0.5),
        (ast.Div(), 1, 0),
        (ast.Mult(), 10**300, 10**300),
        (ast.Add(), 1.7e308, 1.7e308),
        (ast.Mod(), 5, 2),
        (ast.LShift(), 1, 10**9),
        (ast.Mult(), "a", 10**9),
        (ast.Mult(), [0], 10**9),
        (ast.Add(), True, 1),
    ],
)
def test_other_steps_give_nothing(
    operator: ast.operator, left: object, right: object
) -> None:
    assert combined(operator, left, right) is None
