from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given

from experiments.search.preview import (
    histogram,
    sampled_configurations,
    space_histograms,
)
from experiments.search.samplers import make_sampler
from experiments.search.space.choice import Choice
from experiments.search.space.continuous import LogUniform, Normal, QUniform, Uniform
from experiments.search.space.distribution import Distribution
from experiments.search.space.ranges import FloatRange, IntRange
from experiments.search.space.space import SearchSpace
from tests.search.strategies import CONDITIONAL_SPACES, DISTRIBUTIONS


@given(distribution=DISTRIBUTIONS)
def test_any_distribution_has_a_picture(distribution: Distribution) -> None:
    picture = histogram(distribution, draws=200, bins=12)
    assert sum(picture.counts) == 200
    assert len(picture.counts) <= 12
    json.dumps(picture.dump(), allow_nan=False)


@pytest.mark.parametrize(
    ("distribution", "scale", "labels"),
    [
        (Choice((16, 32, "sgd", True, None)), "values", "16 32 sgd true null"),
        (QUniform(1, 10, 4), "values", "4 8"),
        (IntRange(1, 3, log=True), "values", "1 2 3"),
    ],
)
def test_a_few_values_have_a_bar_each(
    distribution: Distribution, scale: str, labels: str
) -> None:
    picture = histogram(distribution)
    assert picture.scale == scale
    assert " ".join(picture.labels) == labels
    assert len(picture.counts) == len(picture.labels) and picture.edges == ()
    assert all(picture.counts)


@pytest.mark.parametrize(
    ("distribution", "scale", "low", "high"),
    [
        (Uniform(0.05, 0.1), "linear", 0.05, 0.1),
        (LogUniform(-6, -1), "log", 0.00248, 0.3679),
        (FloatRange(1e-4, 0.1, log=True), "log", 1e-4, 0.1),
        (FloatRange(1, 2), "linear", 1, 2),
    ],
    ids=str,
)
def test_a_range_has_bins_and_ticks_at_its_ends(
    distribution: Distribution, scale: str, low: float, high: float
) -> None:
    picture = histogram(distribution, bins=10)
    assert picture.scale == scale
    assert len(picture.edges) == len(picture.counts) + 1 == 11
    assert picture.edges[0] == pytest.approx(low, rel=0.05)
    assert picture.edges[-1] == pytest.approx(high, rel=0.05)
    assert float(picture.labels[0]) == pytest.approx(low, rel=0.05)
    widths = np.diff(np.log(picture.edges) if scale == "log" else picture.edges)
    assert widths == pytest.approx([widths[0]] * 10)


@pytest.mark.parametrize(
    ("distribution", "low", "high"),
    [
        (IntRange(1, 50), 0.5, 50.5),
        (IntRange(1, 1000, log=True), 0.5, 1000.5),
        (FloatRange(0, 1, step=0.02), -0.01, 1.01),
        (Choice(tuple(range(0, 90, 3))), -1.5, 88.5),
    ],
    ids=str,
)
def test_a_bar_of_stepped_numbers_has_whole_steps(
    distribution: Distribution, low: float, high: float
) -> None:
    picture = histogram(distribution, draws=60_000)
    edges = np.array(picture.edges)
    assert edges[[0, -1]] == pytest.approx([low, high])
    values = np.array([distribution.at(i) for i in range(distribution.count() or 0)])
    between = np.abs(edges[:, None] - values).min(axis=1)
    assert between == pytest.approx([(values[1] - values[0]) / 2] * len(edges))
    # Each scale, and each value, is equally likely: as high as its neighbours.
    widths = np.diff(np.log(edges) if picture.scale == "log" else edges)
    heights = np.array(picture.counts) / widths
    assert heights == pytest.approx([heights.mean()] * len(heights), rel=0.15)


def test_the_draws_are_real_and_those_of_the_seed() -> None:
    one = histogram(Normal(10, 3), seed=1)
    assert one == histogram(Normal(10, 3), seed=1)
    assert one != histogram(Normal(10, 3), seed=2)
    # A bell: most in the middle, few at the ends.
    assert max(one.counts) > 5 * max(one.counts[0], one.counts[-1], 1)


def test_more_texts_than_bars_are_counted_for_the_first() -> None:
    picture = histogram(Choice(tuple(f"t{index}" for index in range(100))), bins=5)
    assert picture.labels == ("t0", "t1", "t2", "t3", "t4")


def test_the_first_configurations_of_a_sampler_are_shown() -> None:
    space = SearchSpace.parse({"a": "choice(1, 2)", "lr": "uniform(0, 1)"})
    sampler = make_sampler({"type": "random", "seed": 3}, space)
    found = sampled_configurations(sampler, 5)
    assert len(found) == 5
    assert all(space.contains(params) for params in found)
    assert found == sampled_configurations(sampler, 5)


def test_fewer_are_shown_when_there_are_no_more() -> None:
    sampler = make_sampler({"type": "grid"}, SearchSpace.parse({"a": "choice(1, 2)"}))
    assert sampled_configurations(sampler, 5) == [{"a": 1}, {"a": 2}]


def test_a_conditional_parameter_is_pictured_where_it_counts() -> None:
    space = SearchSpace.parse(
        {
            "optimizer": 'choice("sgd", "adam", "lion", "rms")',
            "m": {"type": "choice", "values": [1, 2], "when": {"optimizer": "sgd"}},
            "net": 'choice({"units": uniform(0, 1)}, {"k": 1}, 3)',
        }
    )
    pictures = space_histograms(space, draws=1200)
    assert list(pictures) == ["optimizer", "m", "net", "net.units"]
    assert pictures["optimizer"].share == pictures["net"].share == 1
    assert pictures["m"].share == pytest.approx(1 / 4, abs=0.1)
    assert sum(pictures["m"].counts) == round(1200 * pictures["m"].share)
    assert pictures["net.units"].share == pytest.approx(1 / 3, abs=0.1)
    assert pictures["net.units"].scale == "linear"
    assert sum(pictures["net"].counts) == pictures["net"].drawn == 1200
    assert pictures["net"].labels == ("{units: …}", "{k: 1}", "3")
    json.dumps([one.dump() for one in pictures.values()], allow_nan=False)
    assert pictures == space_histograms(space, draws=1200)


def test_pictures_of_a_space_keep_to_its_constraints() -> None:
    space = SearchSpace.parse(
        {"a": "uniform(0, 1)", "b": "uniform(0, 1)"}, constraints=["a + b < 0.1"]
    )
    picture = space_histograms(space, draws=100)["a"]
    assert picture.edges[-1] < 0.1
    # Fewer draws than asked for, because most are rejected.
    assert 1 <= sum(picture.counts) < 100


def test_a_parameter_that_never_counted_has_an_empty_picture() -> None:
    rare = {"type": "choice", "values": [0, 1], "probabilities": [0.999999, 0.000001]}
    space = SearchSpace.parse(
        {
            "rare": rare,
            "x": {
                "type": "uniform",
                "min_value": 0,
                "max_value": 1,
                "when": {"rare": 1},
            },
        }
    )
    picture = space_histograms(space, draws=50)["x"]
    assert (picture.share, picture.counts, picture.edges) == (0, (), ())


@given(space=CONDITIONAL_SPACES)
def test_any_space_has_a_picture_for_every_axis(space: SearchSpace) -> None:
    pictures = space_histograms(space, draws=30, bins=6)
    assert list(pictures) == list(space.axes)
    for picture in pictures.values():
        assert sum(picture.counts) <= round(30 * picture.share)
        json.dumps(picture.dump(), allow_nan=False)


@pytest.mark.parametrize(
    "document",
    [
        {"type": "uniform", "min_value": -1e308, "max_value": 1e308},
        {"type": "normal", "mu": 1e308, "sigma": 1},
        {"type": "lognormal", "mu": 700, "sigma": 9},
        {"type": "normal", "mu": 5, "sigma": 0},
    ],
)
def test_ranges_at_the_end_of_what_floats_hold_have_a_picture(document) -> None:
    (histogram,) = space_histograms(SearchSpace.parse({"x": document})).values()
    assert sum(histogram.counts) > 0
    assert all(math.isfinite(edge) for edge in histogram.edges)
