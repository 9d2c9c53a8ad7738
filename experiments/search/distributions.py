"""Every distribution by the name that a sweep document uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from experiments.search.choice import Choice
from experiments.search.continuous import LogNormal, LogUniform, Normal, Uniform
from experiments.search.distribution import Distribution
from experiments.search.lawful import Logarithmic
from experiments.search.quantised import QLogNormal, QLogUniform, QNormal, QUniform
from experiments.search.ranges import FloatRange, IntRange, RandInt

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
