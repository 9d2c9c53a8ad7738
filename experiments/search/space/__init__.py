"""Every distribution by the name that a sweep document uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from experiments.search.space.choice import Choice
from experiments.search.space.continuous import (
    Logarithmic,
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

DISTRIBUTIONS: Mapping[str, type[Distribution]] = MappingProxyType(
    {
        distribution.kind: distribution
        for distribution in (
            Choice,
            RandInt,
            Uniform,
            QUniform,
            LogUniform,
            QLogUniform,
            Normal,
            QNormal,
            LogNormal,
            QLogNormal,
            IntRange,
            FloatRange,
        )
    }
)


__all__ = [
    "DISTRIBUTIONS",
    "Choice",
    "Distribution",
    "FloatRange",
    "IntRange",
    "LogNormal",
    "LogUniform",
    "Logarithmic",
    "Normal",
    "QLogNormal",
    "QLogUniform",
    "QNormal",
    "QUniform",
    "RandInt",
    "Uniform",
]
