"""Advice comes from enough trials, and never from noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.search.analysis.advice import (
    edges,
    has_settled,
    next_value,
    unimportant,
    wider,
)
from experiments.search.analysis.factors import Factor
from experiments.search.analysis.importance import Importance, importance

Floats = NDArray[np.float64]


def drawn(count: int, columns: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).uniform(size=(count, columns))


def found_in(factors: list[Factor], losses: Floats) -> Importance:
    found = importance(factors, losses)
    assert found is not None
    return found


def test_a_range_whose_best_values_are_at_its_end() -> None:
    points = drawn(100, 2)
    rate = Factor("lr", 10 ** (-4 + 2 * points[:, 0]), low=1e-4, high=1e-2, log=True)
    other = Factor("dropout", points[:, 1])
    losses = -points[:, 0]
    found = found_in([rate, other], losses)
    (piece,) = edges([rate, other], {}, found, leader=int(losses.argmin()))
    assert (piece.name, piece.side, piece.end) == ("lr", "high", 0.032)
    assert piece.at == pytest.approx((0.00398, 0.01), rel=0.01)
    assert edges([rate, other], {}, found, leader=int(losses.argmax())) == []


def test_noise_is_hardly_ever_at_an_edge() -> None:
    seen = 0
    for seed in range(100):
        points = drawn(60, 6, seed)
        losses = np.random.default_rng(500 + seed).normal(size=60)
        factors = [Factor(f"x{k}", 1 + points[:, k], 1, 2) for k in range(6)]
        found = found_in(factors, losses)
        seen += bool(edges(factors, {}, found, leader=int(losses.argmin())))
    assert seen <= 2


def test_the_highest_values_of_a_choice() -> None:
    points = drawn(80, 1)
    codes = np.floor(points[:, 0] * 5)
    width = Factor("hidden", codes, choices=5)
    found = found_in([width], -codes + 0.01 * points[:, 0])
    numbers: dict[str, list[float]] = {"hidden": [16, 32, 64, 128, 256]}
    leader = int(np.argmax(codes))
    (piece,) = edges([width], numbers, found, leader=leader)
    assert (piece.side, piece.end, piece.at) == ("high", 512.0, (128.0, 256.0))
    few = found_in([width], np.where(np.arange(80) < 15, -codes, np.nan))
    assert edges([width], numbers, few, leader=leader) == []


@pytest.mark.parametrize(
    ("numbers", "side", "expected"),
    [
        ([16, 32, 64], "high", 128),
        ([16, 32, 64], "low", 8),
        ([1, 2, 4], "low", None),
        ([16, 32, 64, 96], "high", 128),
        ([0.1, 0.2, 0.3], "low", None),
        ([0, 1, 2], "low", None),
        ([10, 100, 1000], "high", 10_000),
    ],
)
def test_the_next_value(
    numbers: list[float], side: str, expected: float | None
) -> None:
    assert next_value(numbers, side) == expected


@pytest.mark.parametrize(
    ("low", "high", "side", "whole", "expected"),
    [
        (0.0, 0.5, "high", False, 0.75),
        (0.0, 0.5, "low", False, None),
        (0.5, 1.0, "high", False, None),
        (0.5, 0.99, "high", False, 1.0),
        (2.0, 10.0, "low", False, 1.0),
        (1.0, 8.0, "low", True, None),
        (2.0, 8.0, "high", True, 11.0),
        (-1.5, 1.5, "low", False, -3.0),
    ],
)
def test_a_wider_range_keeps_natural_ends(
    low: float, high: float, side: str, whole: bool, expected: float | None
) -> None:
    assert wider(Factor("x", np.array([]), low, high), side, whole=whole) == expected


def test_a_parameter_that_does_not_matter_among_one_that_does() -> None:
    points = drawn(200, 2)
    factors = [Factor(f"x{k}", points[:, k]) for k in range(2)]
    losses = (points[:, 0] - 0.5) ** 2
    piece = unimportant(factors, found_in(factors, losses))
    assert piece is not None and piece.name == "x1" and piece.below < 0.15
    noise = np.random.default_rng(5).normal(size=200)
    assert unimportant(factors, found_in(factors, noise)) is None
    found = found_in(factors, losses)
    assert unimportant(factors, found, but=frozenset({"x1"})) is None
    few = np.where(np.arange(200) < 70, losses, np.nan)
    assert unimportant(factors, found_in(factors, few)) is None


def test_a_search_without_improvement() -> None:
    losses = drawn(60, 1)[:, 0]
    losses[10] = -1.0
    assert has_settled(losses) == 49
    assert has_settled(losses[:35]) is None
    losses[50] = -1.5
    assert has_settled(losses) is None
