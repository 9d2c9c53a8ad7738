from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from experiments.search.gp.cube import CubeAxis, UnitCube
from experiments.search.gp.outcomes import outcomes_of
from experiments.search.history import History
from experiments.search.records import Objective, TrialRecord
from experiments.search.samplers.parzen import Coordinate, Parzen
from experiments.search.samplers.tpe import GoodSplit, TpeSampler, groups_of
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import Uniform
from experiments.search.space.distribution import Distribution
from experiments.search.space.ranges import FloatRange, IntRange
from experiments.search.space.space import SearchSpace
from tests.search.samplers.learning_contract import LearningContract
from tests.search.samplers.sampler_contract import BRANCHING, SQUARE, told


class TestTpe(LearningContract):
    kind = "tpe"


def density(law: Distribution, shares: list[float]) -> Parzen:
    column = CubeAxis(law)
    points = column.snapped(np.array(shares))
    return Parzen(
        (Coordinate(column),),
        points[:, None],
        column.digits(points)[:, None],
        np.arange(1.0, len(shares) + 1),
    )


@pytest.mark.parametrize("shares", [[], [0.5], [0.0, 1.0, 0.02], [0.3, 0.3]])
def test_the_density_of_a_continuous_axis_adds_up_to_one(shares: list[float]) -> None:
    found = density(Uniform(0, 1), shares)

    def value(share: float) -> float:
        at = np.array([[share]])
        return float(np.exp(found.log_density(at, np.zeros((1, 1), np.int64)))[0])

    total, _ = integrate.quad(value, 0, 1, points=[0.02, 0.3, 0.5], limit=200)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "law",
    [
        Choice(("a", "b", "c")),
        Choice(("a", "b"), (0.9, 0.1)),
        Choice((8, 16, 32, 64)),
        IntRange(1, 20),
        IntRange(1, 60, log=True),
        FloatRange(0, 1, step=0.25),
    ],
)
def test_the_masses_of_a_listed_axis_add_up_to_one(law: Distribution) -> None:
    found = density(law, [0.1, 0.9, 0.95])
    size = law.count() or 0
    digits = np.arange(size)[:, None]
    points = CubeAxis(law).middles_of(np.arange(size))[:, None]
    assert np.exp(found.log_density(points, digits)).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        ((8, 16, 32), True),
        ((1.0, 0.1, 0.01), True),
        ((8, 32, 16), False),
        ((0, 1), False),
        (("8", "16", "32"), False),
        ((False, 1, 2), False),
    ],
)
def test_a_choice_among_rising_or_falling_numbers_has_an_order(
    values: tuple[object, ...], ordered: bool
) -> None:
    assert Coordinate(CubeAxis(Choice(values))).ordered is ordered  # type: ignore[arg-type]


def test_the_bounds_of_a_range_can_be_reached() -> None:
    draws = density(Uniform(0, 1), [0.0, 0.0]).drawn(200, np.random.default_rng(1))
    assert (draws == 0).any() and (draws >= 0).all() and (draws <= 1).all()


def test_axes_that_depend_on_the_same_form_a_group() -> None:
    cube = UnitCube(SearchSpace.parse(BRANCHING))
    names = list(cube.space.axes)
    groups = [{names[place] for place in group.places} for group in groups_of(cube)]
    assert groups == [{"optimizer", "rate", "net"}, {"momentum"}, {"net.units"}]


def test_the_best_tenth_is_good_and_running_trials_are_not() -> None:
    space = SearchSpace.parse(SQUARE)
    rows: list[list[object]] = [
        [number, {"x": 0.5, "y": number / 50}, "completed", float(number)]
        for number in range(30)
    ]
    rows.append([30, {"x": 0.1, "y": 0.1}, "running", None])
    rows.append([31, {"x": 0.2, "y": 0.1}, "failed", None])
    split = GoodSplit.of(outcomes_of(told(space, rows)))
    assert split.good.tolist() == [0, 1, 2, 3]
    assert split.importance.tolist() == sorted(split.importance, reverse=True)
    assert {30, 31} < set(split.others.tolist())


def test_it_says_how_many_trials_are_good() -> None:
    space = SearchSpace.parse(SQUARE)
    sampler = TpeSampler(space=space, seed=1)
    assert "until 16 have ended" in sampler.in_words()
    records = [
        TrialRecord(n, {"x": 0.5, "y": n / 50}, "completed", float(n))
        for n in range(40)
    ]
    history = History.of(space, Objective("loss", "minimize"), records)
    assert "the best 4 trials" in sampler.in_words(history)
