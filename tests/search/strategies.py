"""Hypothesis strategies: valid distributions of every kind, and spaces of them."""

from __future__ import annotations

from hypothesis import strategies as st

from experiments.search.distributions import (
    Choice,
    Distribution,
    FloatRange,
    IntRange,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    RandInt,
    Uniform,
)
from experiments.search.problems import DefinitionError
from experiments.search.space import SearchSpace

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


KINDS = {
    "choice": st.lists(SCALARS | st.lists(SCALARS, max_size=2), min_size=1, max_size=6)
    .map(tuple)
    .map(Choice),
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
