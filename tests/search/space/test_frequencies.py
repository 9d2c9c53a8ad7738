"""How often each value is drawn, against formulas written down here once more.

Every chi-square test is at the level 1e-6: with a fresh seed one of the tests would
fail by chance in one of 15,000 runs. The seed is fixed, so that in practice none does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats

from experiments.search.preview import histogram, space_histograms
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
from experiments.search.space.ranges import FloatRange, IntRange, RandInt
from experiments.search.space.space import SearchSpace

DRAWS = 20_000
FALSE_ALARM = 1e-6


def normal_cdf(x: float, mu: float, sigma: float) -> float:
    return 0.5 * (1 + math.erf((x - mu) / (sigma * math.sqrt(2))))


def draws(distribution: Distribution) -> list[object]:
    rng = np.random.default_rng(20_240_601)
    return [distribution.sample(rng) for _ in range(DRAWS)]


def log_share(low: float, high: float, of: tuple[float, float]) -> float:
    return math.log(high / low) / math.log(of[1] / of[0])


LISTED: list[tuple[Distribution, Mapping[object, float]]] = [
    (Choice((16, 32, 64, 128)), dict.fromkeys((16, 32, 64, 128), 0.25)),
    (Choice(("a", "b", "a")), {"a": 2 / 3, "b": 1 / 3}),
    (Choice(("a", "b"), (0.9, 0.1)), {"a": 0.9, "b": 0.1}),
    (RandInt(5), dict.fromkeys(range(5), 0.2)),
    # 6 is the middle between 4 and 8; 1 and 2 round to 0, below the range.
    (QUniform(1, 10, 4), {4: 5 / 9, 8: 4 / 9}),
    (QUniform(1, 5, 1), {1: 1 / 8, 2: 1 / 4, 3: 1 / 4, 4: 1 / 4, 5: 1 / 8}),
    (QUniform(0.5, 0.75, 0.25), {0.5: 0.5, 0.75: 0.5}),
    (QUniform(0, 1, 0.4), {0.0: 0.2, 0.4: 0.4, 0.8: 0.4}),
    (
        QLogUniform(0, math.log(4), 1),
        {
            1: log_share(1, 1.5, (1, 4)),
            2: log_share(1.5, 2.5, (1, 4)),
            3: log_share(2.5, 3.5, (1, 4)),
            4: log_share(3.5, 4, (1, 4)),
        },
    ),
    (
        QNormal(10, 3, 5),
        {
            k * 5: normal_cdf(k * 5 + 2.5, 10, 3) - normal_cdf(k * 5 - 2.5, 10, 3)
            for k in range(-1, 6)
        },
    ),
    (
        QLogNormal(0, 1, 2),
        {
            0: normal_cdf(math.log(1), 0, 1),
            **{
                2 * k: normal_cdf(math.log(2 * k + 1), 0, 1)
                - normal_cdf(math.log(2 * k - 1), 0, 1)
                for k in range(1, 30)
            },
        },
    ),
    (IntRange(1, 4), dict.fromkeys((1, 2, 3, 4), 0.25)),
    (IntRange(1, 10, 4), dict.fromkeys((1, 5, 9), 1 / 3)),
    (
        IntRange(1, 8, log=True),
        {k: log_share(k - 0.5, k + 0.5, (0.5, 8.5)) for k in range(1, 9)},
    ),
    (FloatRange(0, 1, step=0.3), dict.fromkeys((0.0, 0.3, 0.6, 0.9), 0.25)),
]


@pytest.mark.parametrize(("distribution", "shares"), LISTED, ids=str)
def test_values_come_as_often_as_their_formula_says(
    distribution: Distribution, shares: Mapping[object, float]
) -> None:
    counts = Counter(draws(distribution))
    # Values that are expected less than five times are counted together.
    common = [value for value in shares if shares[value] * DRAWS >= 5]
    observed = [counts[value] for value in common]
    expected = [shares[value] * DRAWS for value in common]
    if len(common) < len(shares):
        observed.append(DRAWS - sum(observed))
        expected.append(DRAWS - sum(expected))
    else:
        assert set(counts) == set(shares)
    assert stats.chisquare(observed, expected).pvalue > FALSE_ALARM


@pytest.mark.parametrize(
    ("distribution", "shares"),
    [case for case in LISTED if case[0].partition is not None],
    ids=str,
)
def test_the_masses_of_a_finite_distribution_are_its_formula(
    distribution: Distribution, shares: Mapping[object, float]
) -> None:
    assert distribution.partition is not None
    masses = distribution.partition.masses().tolist()
    values = [distribution.at(index) for index in range(len(masses))]
    assert dict(zip(values, masses, strict=True)) == pytest.approx(dict(shares))


@pytest.mark.parametrize(("distribution", "shares"), LISTED, ids=str)
def test_pictures_are_of_values_as_often_as_their_formula_says(
    distribution: Distribution, shares: Mapping[object, float]
) -> None:
    """The draws of a picture are made many at a time; finite laws of few values."""
    if distribution.count() is None:
        return
    picture = histogram(distribution, seed=3, draws=DRAWS, bins=len(shares))
    expected = [shares[distribution.at(n)] * DRAWS for n in range(len(shares))]
    assert stats.chisquare(picture.counts, expected).pvalue > FALSE_ALARM


@pytest.mark.parametrize("rows", [True, False], ids=["listed", "rejected"])
def test_pictures_of_a_constrained_space_have_its_conditional_odds(rows: bool) -> None:
    """P(x, y | x + y < 4) for x of 1 and 2 with odds 3 to 1, and y of 1 and 2: of the
    weights 3/8, 3/8, 1/8, 1/8 the last is ruled out. Level 1e-6, as above."""
    document: dict[str, object] = {
        "x": {"type": "choice", "values": [1, 2], "probabilities": [0.75, 0.25]},
        "y": "choice(1, 2)",
        "z": {"type": "choice", "values": [7, 8, 9], "when": {"y": 2}},
    }
    if not rows:
        document["free"] = "uniform(0, 1)"
    space = SearchSpace.parse(document, constraints=["x + y < 4"])
    pictures = space_histograms(space, seed=5, draws=DRAWS)
    number = pictures["x"].drawn
    for name, odds in {"x": (6 / 7, 1 / 7), "y": (4 / 7, 3 / 7)}.items():
        expected = [number * share for share in odds]
        assert stats.chisquare(pictures[name].counts, expected).pvalue > FALSE_ALARM
    z = pictures["z"]
    assert stats.chisquare(z.counts).pvalue > FALSE_ALARM
    assert z.share == z.drawn / number
    active = [z.drawn, number - z.drawn]
    expected = [number * 3 / 7, number * 4 / 7]
    assert stats.chisquare(active, expected).pvalue > FALSE_ALARM


CONTINUOUS = [
    (Uniform(0.05, 0.1), stats.uniform(0.05, 0.05)),
    (LogUniform(-6, -1), stats.loguniform(math.exp(-6), math.exp(-1))),
    (LogUniform(-4, -1, base=10), stats.loguniform(1e-4, 1e-1)),
    (Normal(10, 3), stats.norm(10, 3)),
    (LogNormal(0, 0.5), stats.lognorm(0.5)),
    (LogNormal(1, 0.5, base=2), stats.lognorm(0.5 * math.log(2), scale=2)),
    (FloatRange(-1, 3), stats.uniform(-1, 4)),
    (FloatRange(1e-4, 0.1, log=True), stats.loguniform(1e-4, 0.1)),
]


@pytest.mark.parametrize(
    ("distribution", "law"), CONTINUOUS, ids=lambda value: type(value).__name__
)
def test_numbers_follow_their_law(distribution: Distribution, law: object) -> None:
    bins = 50
    edges = law.ppf(np.linspace(0, 1, bins + 1))  # type: ignore[attr-defined]
    observed, _ = np.histogram(draws(distribution), edges)  # type: ignore[arg-type]
    # The outermost values may miss the outermost edges by a rounding.
    assert DRAWS - observed.sum() <= 1
    expected = np.full(bins, observed.sum() / bins)
    assert stats.chisquare(observed, expected).pvalue > FALSE_ALARM
    # And so does what is drawn many at a time.
    shares = np.random.default_rng(7).random(DRAWS)
    together, _ = np.histogram(distribution.quantiles(shares), edges)  # type: ignore[arg-type]
    assert DRAWS - together.sum() <= 1
    assert (
        stats.chisquare(together, [together.sum() / bins] * bins).pvalue > FALSE_ALARM
    )
