"""Hypothesis strategies: valid distributions of every kind, and spaces of them."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from experiments.search.fields import DefinitionError
from experiments.search.records import JSONValue
from experiments.search.space.choice import Choice
from experiments.search.space.conditions import When
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
from experiments.search.space.distribution import Branch, Distribution
from experiments.search.space.ranges import FloatRange, IntRange, RandInt
from experiments.search.space.space import SearchSpace

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(-1e6, 1e6)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
)
NUMBERS = st.integers(-1000, 1000) | st.floats(-1000, 1000).map(lambda x: round(x, 6))
LOGARITHMS = st.integers(-12, 12) | st.floats(-12, 12).map(lambda x: round(x, 6))
STEPS = st.sampled_from([1, 2, 4, 1.0, 0.5, 0.1, 0.05, 0.3, 7, 0.001])
SIGMAS = st.integers(0, 20) | st.floats(0.01, 20)
SHARES = st.floats(0, 1, exclude_max=True)


def _valid(
    kind: type[Distribution], *parts: st.SearchStrategy[object], **named: object
):
    """Instances of a kind; arguments that do not fit together are passed over."""

    def build(arguments: tuple[object, ...]) -> Distribution | None:
        try:
            return kind(*arguments)
        except DefinitionError:
            return None

    return st.tuples(*parts).map(build).filter(lambda made: made is not None)


def _weighted(pairs: list[tuple[JSONValue, int]]) -> Choice:
    """A choice with probabilities that add up to 1."""
    whole = sum(weight for _, weight in pairs)
    values, weights = zip(*pairs, strict=True)
    return Choice(values, tuple(weight / whole for weight in weights))


KINDS = {
    "choice": st.lists(SCALARS | st.lists(SCALARS, max_size=2), min_size=1, max_size=6)
    .map(tuple)
    .map(Choice)
    | st.lists(st.tuples(SCALARS, st.integers(1, 20)), min_size=1, max_size=5).map(
        _weighted
    ),
    "randint": st.integers(1, 10**6).map(RandInt),
    "uniform": _valid(Uniform, NUMBERS, NUMBERS),
    "quniform": _valid(QUniform, NUMBERS, NUMBERS, STEPS),
    "loguniform": _valid(LogUniform, LOGARITHMS, LOGARITHMS),
    "qloguniform": _valid(QLogUniform, LOGARITHMS, LOGARITHMS, STEPS),
    "normal": _valid(Normal, NUMBERS, SIGMAS),
    "qnormal": _valid(QNormal, NUMBERS, SIGMAS, STEPS),
    "lognormal": _valid(LogNormal, LOGARITHMS, SIGMAS),
    "qlognormal": _valid(QLogNormal, st.integers(-3, 6), st.floats(0, 2), STEPS),
    "int": _valid(
        IntRange,
        st.integers(-1000, 1000),
        st.integers(-1000, 1000),
        st.integers(1, 50),
    )
    | _valid(
        IntRange, st.integers(1, 9), st.integers(1, 10**5), st.just(1), st.just(True)
    ),
    "float": _valid(FloatRange, NUMBERS, NUMBERS, st.booleans())
    | _valid(FloatRange, NUMBERS, NUMBERS, st.just(False), STEPS),
}
DISTRIBUTIONS = st.one_of(*KINDS.values())
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
SPACES = st.dictionaries(NAMES, DISTRIBUTIONS, min_size=1, max_size=5).map(SearchSpace)
FINITE_SPACES = SPACES.filter(lambda space: space.count() is not None)


def _branches(inner: st.SearchStrategy[Distribution]) -> st.SearchStrategy[Branch]:
    entries = st.dictionaries(NAMES, SCALARS | inner, max_size=3)
    return entries.map(Branch)


SMALL_LAWS = st.one_of(
    st.lists(SCALARS, min_size=1, max_size=3).map(tuple).map(Choice),
    st.integers(1, 3).map(RandInt),
    st.just(QUniform(1, 10, 4)),
    st.just(FloatRange(0, 1, step=0.5)),
)


def nested(laws: st.SearchStrategy[Distribution]) -> st.SearchStrategy[Choice]:
    """Choices of which some values are branches with laws of their own."""
    deeper = st.lists(_branches(laws) | SCALARS, min_size=1, max_size=3)
    inner = laws | deeper.map(tuple).map(Choice)
    values = st.lists(_branches(inner) | SCALARS, min_size=1, max_size=3)
    return values.map(tuple).map(Choice)


@st.composite
def conditional_spaces(
    draw: st.DrawFn, laws: st.SearchStrategy[Distribution]
) -> SearchSpace:
    """Spaces with nested choices, and with conditions in any direction."""
    given = st.dictionaries(NAMES, laws | nested(laws), min_size=1, max_size=4)
    parameters = draw(given)
    order = draw(st.permutations(list(parameters)))
    conditions: dict[str, When] = {}
    for place, name in enumerate(order):
        able = [found for other in order[:place] for found in asked(other, parameters)]
        if able and draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(able), min_size=1, max_size=3))
            conditions[name] = {
                address: tuple(value for other, value in chosen if other == address)
                for address, _ in chosen
            }
    return SearchSpace(parameters, conditions)


def asked(
    name: str, parameters: Mapping[str, Distribution]
) -> list[tuple[str, JSONValue]]:
    """Some of what a condition can ask: an address, and a value that it may have."""
    law = parameters[name]
    size = law.count() or 0
    values = [law.at(index) for index in range(min(size, 3))]
    found = [(name, value) for value in values if not isinstance(value, dict)]
    for branch in law.branches.values() if isinstance(law, Choice) else ():
        found += [(f"{name}.{key}", one) for key, one in branch.constants.items()]
        for key in branch.distributions:
            found += [
                (f"{name}.{one}", value)
                for one, value in asked(key, branch.distributions)
            ]
    return found


CONDITIONAL_SPACES = conditional_spaces(DISTRIBUTIONS)
SMALL_SPACES = conditional_spaces(SMALL_LAWS)
