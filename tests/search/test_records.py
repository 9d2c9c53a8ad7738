from __future__ import annotations

import math

import pytest

from experiments.search.records import Objective

MAXIMIZE = Objective("accuracy", "maximize", target=0.99)
MINIMIZE = Objective("loss", "minimize", target=0.1)


@pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
@pytest.mark.parametrize("value", [-3.5, 0.0, 0.25, 1e300])
def test_a_loss_turns_back_to_its_value(objective: Objective, value: float) -> None:
    assert objective.value(objective.loss(value)) == value


@pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
def test_the_better_value_is_the_lower_loss(objective: Objective) -> None:
    better, worse = (2.0, 1.0) if objective is MAXIMIZE else (1.0, 2.0)
    assert objective.loss(better) < objective.loss(worse)


@pytest.mark.parametrize("objective", [MAXIMIZE, MINIMIZE])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_the_worst_loss(
    objective: Objective, value: float
) -> None:
    assert objective.loss(value) == math.inf


def test_the_target_is_reached_by_a_value_at_least_as_good() -> None:
    assert MAXIMIZE.reached(0.99) and not MAXIMIZE.reached(0.98)
    assert MINIMIZE.reached(0.1) and not MINIMIZE.reached(0.11)
    assert not Objective("loss", "minimize").reached(-1e300)
    assert not MINIMIZE.reached(math.nan)
